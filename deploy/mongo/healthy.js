// Healthy is a primary that takes writes. A server that belongs to no replica set yet becomes one of its own:
// `mongo` is how it is called on the network of docker-compose.yml, and has to stay so.
db.auth(process.env.MONGO_INITDB_ROOT_USERNAME, process.env.MONGO_INITDB_ROOT_PASSWORD);
if (!db.hello().setName) {
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
}
quit(db.hello().isWritablePrimary ? 0 : 1);

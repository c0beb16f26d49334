// The image runs this once, on an empty volume: the one account of Matinee, which may write its own database only.
db.getSiblingDB("matinee").createUser({
  user: "matinee",
  pwd: process.env.MATINEE_PASSWORD,
  roles: [{ role: "readWrite", db: "matinee" }],
});

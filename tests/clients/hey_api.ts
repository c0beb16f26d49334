// The journey with the client of @hey-api/openapi-ts. Usage: node hey_api.js http://127.0.0.1:8080
import assert from "node:assert/strict";

import { client } from "./client/client.gen.js";
import * as api from "./client/index.js";
import type { AddToWatchlistInput, FieldErrorCode, Session } from "./client/index.js";

const baseUrl = process.argv[2];
assert.ok(baseUrl);
let token = "";
client.setConfig({ baseUrl, auth: () => token });

function must<T>(answer: { data: T | undefined; error: unknown; response?: Response }): NonNullable<T> {
  assert.ok(answer.data, `${answer.response?.status} ${JSON.stringify(answer.error)}`);
  return answer.data;
}

const account = { username: "heyapi", email: "heyapi@example.org", password: "correct horse battery" };
const registered: Session = must(await api.register({ body: account }));
assert.equal(registered.token_type, "Bearer");

const login = await api.login({ body: { email: account.email, password: "wrong" } });
assert.equal(login.response?.status, 401);
assert.equal(login.error?.code, "invalid_credentials");
const session = must(await api.login({ body: { email: account.email, password: account.password } }));
token = session.access_token;
assert.equal(must(await api.getAccount()).email, account.email);

const narrow = must(
  await api.listMovies({ query: { fields: "id,title", limit: 3, sort_by: "title", sort_order: "asc" } }),
);
assert.equal(narrow.data.length, 3);
for (const movie of narrow.data) {
  assert.ok(movie.id && movie.title);
  assert.equal(movie.tmdb_id, undefined);
}
const next = must(await api.listMovies({ query: { limit: 2, page: 2 } }));
assert.equal(next.meta.page, 2);

const found = must(await api.searchMovies({ query: { q: "godfahter" } }));
const film = found.data[0];
assert.equal(film?.title, "The Godfather");
assert.ok(film?.id);
const movie = must(await api.getMovie({ path: { id: film.id }, query: { fields: "id,runtime" } }));
assert.deepEqual(Object.keys(movie), ["id", "runtime"]);

const rated = must(await api.rateMovie({ body: { movie_id: film.id, rating: 8.5 } }));
assert.equal(rated.movie_rating.ratings_count, 1);
const again = await api.rateMovie({ body: { movie_id: film.id, rating: 9 } });
assert.deepEqual([again.response?.status, again.error?.code], [409, "already_rated"]);
const put = must(
  await api.setMovieRating({ path: { id: film.id }, body: { rating: 9, review: "An offer." } }),
);
assert.equal(put.review, "An offer.");
const patched = must(await api.updateRating({ path: { id: put.id }, body: { review: null } }));
assert.equal(patched.review, null);

const entry: AddToWatchlistInput = { movie_id: film.id };
const item = must(await api.addToWatchlist({ body: entry }));
assert.deepEqual([item.is_favorite, item.movie.title], [false, "The Godfather"]);
const mine = must(await api.getMyMovie({ path: { id: film.id } }));
assert.equal(mine.rating?.rating, 9);
assert.equal(mine.watchlist?.id, item.id);

const exported = must(await api.exportMyData());
assert.ok("ratings" in exported);
assert.equal(exported.ratings[0]?.rating, 9);
assert.equal(exported.watchlist[0]?.movie.title, "The Godfather");

const refreshed = must(await api.refreshSession({ body: { refresh_token: session.refresh_token } }));
token = refreshed.access_token;

const bad = await api.rateMovie({ body: { movie_id: film.id, rating: 11 } });
assert.equal(bad.response?.status, 400);
assert.deepEqual(bad.error?.errors, ["rating must be between 1 and 10 in steps of 0.5"]);
const fault: FieldErrorCode | undefined = bad.error?.details[0]?.code;
assert.deepEqual([bad.error?.details[0]?.field, fault], ["rating", "out_of_range"]);
const missing = await api.getMovie({ path: { id: "999999999" } });
assert.deepEqual([missing.response?.status, missing.error?.code], [404, "movie_not_found"]);

const removed = await api.removeMovieRating({ path: { id: film.id } });
assert.equal(removed.response?.status, 204);
const gone = await api.deleteAccount({ body: { password: account.password } });
assert.equal(gone.response?.status, 204);
const stranger = await api.getAccount();
assert.equal(stranger.response?.status, 401);
console.log("done");

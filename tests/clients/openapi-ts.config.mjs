// How @hey-api/openapi-ts makes its client: imports as Node's own modules want them.
export default {
  input: "./openapi.json",
  output: { path: "./client", importFileExtension: ".js" },
  logs: { file: false },
};

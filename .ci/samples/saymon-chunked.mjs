// Changes one's own password as the page's Node sample does: written to a
// request without a Content-Length, so that the body goes in chunks.
import http from "node:http";

const [address, id, login, current, next] = process.argv.slice(2);
const [hostname, port] = address.split(":");
const credentials = Buffer.from(`${login}:${current}`).toString("base64");

const request = http.request(
  {
    method: "PUT",
    hostname,
    port,
    path: `/node/api/users/${id}/password`,
    headers: { Authorization: `Basic ${credentials}`, "Content-Type": "application/json" },
  },
  (response) => response.pipe(process.stdout),
);
request.write(JSON.stringify({ currentPassword: current, newPassword: next }));
request.end();

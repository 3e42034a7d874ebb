// Changes one's own password as the page's JavaScript sample does: fetch, with
// Basic credentials made by btoa.
const [base, id, login, current, next] = process.argv.slice(2);

const response = await fetch(`${base}/node/api/users/${id}/password`, {
  method: "PUT",
  headers: new Headers({
    "Content-Type": "application/json",
    Authorization: `Basic ${btoa(`${login}:${current}`)}`,
  }),
  body: JSON.stringify({ currentPassword: current, newPassword: next }),
});
process.stdout.write(await response.text());

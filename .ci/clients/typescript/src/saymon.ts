import createClient from "openapi-fetch";
import type { paths } from "../generated/saymon.js";
import { basic, expect, failure, name, passwords, success } from "./journey.js";

export async function saymon(base: string, say: (did: string) => void) {
  const baseUrl = `${base}/node/api`;
  const as = (user: string, password: string) =>
    createClient<paths>({ baseUrl, headers: basic(user, password) });
  const admin = as("admin", "saymon-admin");
  const [first, second] = passwords;

  const user = success(
    await admin.POST("/users", { body: { login: name, password: first, permissions: ["manage-links"] } }),
  );
  say(`created ${user.login}, id ${user.id}`);
  const path = { id: user.id };

  const session = success(
    await createClient<paths>({ baseUrl }).POST("/users/session", { body: { login: name, password: first } }),
  );
  const inSession = createClient<paths>({ baseUrl, headers: { Cookie: `sid=${session}` } });
  const self = success(await inSession.GET("/users/current"));
  expect("the session is the user's", self.id === user.id);
  say(`logged in, with the permissions ${self.permissions}`);

  success(
    await as(name, first).PUT("/users/{id}/password", {
      params: { path },
      body: { currentPassword: first, newPassword: second },
    }),
  );
  say("changed the password");

  const refused = failure(401, await as(name, first).GET("/users/current"));
  say(`the old one fails: ${refused.code}, ${refused.message}`);
  failure(401, await inSession.GET("/users/current"));
  success(await as(name, second).GET("/users/current"));

  const users = success(await admin.GET("/users"));
  expect("the list has the user", users.some(({ id }) => id === user.id));
  say(`read the list: ${users.map(({ login }) => login)}`);

  success(await admin.DELETE("/users/{id}", { params: { path } }));
  const gone = failure(404, await admin.GET("/users/{id}", { params: { path } }));
  say(`deleted: ${gone.message}`);
}

import createClient from "openapi-fetch";
import type { paths } from "../generated/fusion.js";
import { basic, expect, failure, name, passwords, success } from "./journey.js";

export async function fusion(base: string, say: (did: string) => void) {
  const as = (user: string, password: string) =>
    createClient<paths>({ baseUrl: `${base}/api`, headers: basic(user, password) });
  const admin = as("admin", "Fusion4dmin");
  const [first, second] = passwords;

  const user = success(
    await admin.POST("/users", { body: { username: name, password: first, roleNames: ["search"] } }),
  );
  say(`created ${user.username}, id ${user.id}`);
  const path = { id: user.id };

  const self = success(await as(name, first).GET("/users/{id}", { params: { path } }));
  say(`logged in, with the roles ${self.roleNames}`);

  const changed = success(
    await as(name, first).PATCH("/users/{id}", {
      params: { path },
      body: { currentPassword: first, password: second, passwordConfirm: second },
    }),
  );
  expect("a change has a time", changed.updatedAt !== undefined);
  say(`changed the password at ${changed.updatedAt}`);

  const refused = failure(401, await as(name, first).GET("/users/{id}", { params: { path } }));
  say(`the old one fails: ${refused.code}, ${refused.message}`);
  success(await as(name, second).GET("/users/{id}", { params: { path } }));

  const users = success(await admin.GET("/users"));
  expect("the list has the user", users.some(({ id }) => id === user.id));
  say(`read the list: ${users.map(({ username }) => username)}`);

  success(await admin.DELETE("/users/{id}", { params: { path } }));
  const gone = failure(404, await admin.GET("/users/{id}", { params: { path } }));
  say(`deleted: ${gone.message}`);
}

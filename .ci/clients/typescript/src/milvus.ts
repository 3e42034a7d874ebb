import createClient from "openapi-fetch";
import type { paths } from "../generated/milvus.js";
import { bearer, expect, failure, name, passwords, success } from "./journey.js";

/** HTTP 200 does not mean success: the code does. */
function done<T extends { code: number; message?: string }>(result: T): T {
  if (result.code !== 0) throw new Error(`${result.code} ${result.message}`);
  return result;
}

export async function milvus(base: string, say: (did: string) => void) {
  const as = (user: string, password: string) =>
    createClient<paths>({ baseUrl: `${base}/v2/vectordb`, headers: bearer(`${user}:${password}`) });
  const root = as("root", "Milvus");
  const [first, second] = passwords;
  const user = { userName: name };

  done(success(await root.POST("/users/create", { body: { ...user, password: first } })));
  say(`created ${name}`);

  const self = done(success(await as(name, first).POST("/users/describe", { body: user })));
  say(`logged in, with ${self.data?.length} roles`);

  const change = { ...user, password: first, newPassword: second };
  done(success(await as(name, first).POST("/users/update_password", { body: change })));
  say("changed the password");

  const refused = failure(401, await as(name, first).POST("/users/describe", { body: user }));
  say(`the old one fails: ${refused?.code}, ${refused?.message}`);
  const again = success(await as(name, second).POST("/users/update_password", { body: change }));
  expect("a change from the old one fails", again.code === 1400);
  say(`so does another change from it, under HTTP 200: ${again.code}, ${again.message}`);

  const { data: names } = done(success(await root.POST("/users/list", { body: {} })));
  expect("the list has the user", names?.includes(name) ?? false);
  say(`read the list: ${names}`);

  done(success(await root.POST("/users/drop", { body: user })));
  const { data: left } = done(success(await root.POST("/users/list", { body: {} })));
  expect("the list has the user no more", !left?.includes(name));
  say("deleted");
}

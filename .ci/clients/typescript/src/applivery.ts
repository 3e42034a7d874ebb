import createClient from "openapi-fetch";
import type { paths } from "../generated/applivery.js";
import { bearer, expect, failure, name, passwords, success } from "./journey.js";

export async function applivery(base: string, say: (did: string) => void) {
  const baseUrl = `${base}/v1`;
  const anyone = createClient<paths>({ baseUrl });
  const logIn = (email: string, password: string) =>
    anyone.POST("/auth/login", { body: { provider: "traditional", payload: { email, password } } });
  const as = async (email: string, password: string) => {
    const { data } = success(await logIn(email, password));
    return createClient<paths>({ baseUrl, headers: bearer(data.accessToken.token) });
  };
  const admin = await as("admin@example.com", "AdminSecureP@ss123");
  const email = `${name}@example.com`;
  const [first, second] = passwords;

  const { data: user } = success(
    await admin.POST("/users", { body: { email, password: first, firstName: "Ada", lastName: "Byron" } }),
  );
  say(`created ${user.fullName}, id ${user.id}`);
  const path = { userId: user.id };

  const ada = await as(email, first);
  const { data: self } = success(await ada.GET("/users/profile"));
  expect("the profile is the user's", self.id === user.id);
  say(`logged in, at ${self.activityTrace.lastLogin.dashboard}`);

  const { data: changed } = success(
    await ada.POST("/users/{userId}/change-password", {
      params: { path },
      body: { oldPassword: first, newPassword: second },
    }),
  );
  say(`changed the password: ${changed.passwordChanged}`);

  const refused = failure(403, await logIn(email, first));
  say(`the old one fails: ${refused.error.code}, ${refused.error.message}`);
  await as(email, second);

  const { data: page } = success(await admin.GET("/users", { params: { query: { limit: 100, sort: "email:asc" } } }));
  expect("the list has the user", page.items.some(({ id }) => id === user.id));
  expect("there is no page before the first", page.prevPage === null);
  say(`read the list: ${page.items.map((item) => item.email)}`);

  const { data: deleted } = success(await admin.DELETE("/users/{userId}", { params: { path } }));
  const gone = failure(404, await admin.GET("/users/{userId}", { params: { path } }));
  say(`deleted: ${deleted.delete}, then ${gone.error.message}`);
}

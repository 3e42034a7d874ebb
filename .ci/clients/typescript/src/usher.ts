import createClient from "openapi-fetch";
import type { paths as Saymon } from "../generated/saymon.js";
import type { paths } from "../generated/usher.js";
import { basic, expect, failure, success } from "./journey.js";

const name = "journey-typescript";

export async function usher(base: string, say: (did: string) => void) {
  const control = createClient<paths>({ baseUrl: `${base}/_usher` });
  const params = { path: { name } };

  const sandbox = success(await control.POST("/sandboxes", { body: { name, from: "demo" } }));
  say(`created ${sandbox.name}, at ${sandbox.urls.path}`);
  const { sandboxes } = success(await control.GET("/sandboxes"));
  expect("the list has the sandbox", sandboxes.some((each) => each.name === name));
  say(`read the list: ${sandboxes.map((each) => each.name)}`);

  const frozen = success(await control.PATCH("/sandboxes/{name}/clock", { params, body: { frozen: true } }));
  const advanced = success(await control.PATCH("/sandboxes/{name}/clock", { params, body: { advance: "1h30m" } }));
  expect("the clock stands still", frozen.frozen && advanced.frozen);
  expect("it is 90 minutes later", Date.parse(advanced.time) - Date.parse(frozen.time) === 90 * 60 * 1000);
  say(`froze the clock at ${frozen.time}, advanced it to ${advanced.time}`);

  const rule = { api: "saymon", operation: "getCurrentUser", status: 503, first: 1 };
  const fault = success(await control.POST("/sandboxes/{name}/faults", { params, body: rule }));
  const { faults } = success(await control.GET("/sandboxes/{name}/faults", { params }));
  expect("the list has the fault", faults.some(({ id, spec }) => id === fault.id && spec.status === 503));
  say(`added ${fault.id}`);

  const admin = createClient<Saymon>({
    baseUrl: `${sandbox.urls.path}/node/api`,
    headers: basic("admin", "saymon-admin"),
  });
  const busy = failure(503, await admin.GET("/users/current"));
  const self = success(await admin.GET("/users/current"));
  say(`SAYMON says ${busy.code}, and then ${self.login}`);

  const query = { operation: "getCurrentUser" };
  const { entries } = success(
    await control.GET("/sandboxes/{name}/journal", { params: { ...params, query: { ...query, status: "5xx" } } }),
  );
  expect("the journal has the failure alone", entries.length === 1 && entries[0]?.answer.status === 503);
  expect("the journal names the fault", entries[0]?.fault === fault.id);
  expect("the journal goes by the clock", Date.parse(entries[0]?.at ?? "") === Date.parse(advanced.time));
  const asserted = (requests: { operation: string; status?: number; exactly: number }[]) =>
    control.POST("/sandboxes/{name}/journal/assert", { params, body: { ordered: true, requests } });
  const verdict = success(
    await asserted([
      { ...query, status: 503, exactly: 1 },
      { ...query, status: 200, exactly: 1 },
    ]),
  );
  expect("first the failure, then the success", verdict.met);
  const miss = success(await asserted([{ ...query, exactly: 3 }]));
  expect("three calls were not made", !miss.met);
  say(`asserted the journal: ${miss.requests[0]?.reason}`);

  const taken = success(await control.POST("/sandboxes/{name}/snapshot", { params, body: { name } }));
  const file = success(await control.GET("/snapshots/{name}", { params, parseAs: "arrayBuffer" }));
  const copy = { path: { name: `${name}-copy` } };
  const uploaded = success(
    await control.PUT("/snapshots/{name}", {
      params: copy,
      headers: { "Content-Type": "application/octet-stream" },
      body: file as unknown as string, // what openapi-typescript takes bytes for
      bodySerializer: (bytes) => bytes,
    }),
  );
  expect("the copy is as large", uploaded.name === copy.path.name && uploaded.size === taken.size);
  say(`took a snapshot, downloaded ${file.byteLength} bytes, uploaded them as ${uploaded.name}`);

  success(await control.DELETE("/snapshots/{name}", { params }));
  success(await control.DELETE("/snapshots/{name}", { params: copy }));
  success(await control.DELETE("/sandboxes/{name}", { params }));
  const gone = failure(404, await control.GET("/sandboxes/{name}", { params }));
  expect("it is a problem without a type of its own", gone.type === "about:blank" && gone.status === 404);
  say(`deleted: ${gone.title}, ${gone.detail}`);
}

/** Runs the journeys against the server at the address given: one line a step, and "ok" when one is over. */
import { applivery } from "./applivery.js";
import { fusion } from "./fusion.js";
import { milvus } from "./milvus.js";
import { saymon } from "./saymon.js";
import { usher } from "./usher.js";

const [base = ""] = process.argv.slice(2);
for (const journey of [fusion, applivery, saymon, milvus, usher]) {
  try {
    await journey(base, (did) => console.log(`      ${journey.name}: ${did}`));
    console.log(`ok    TypeScript, ${journey.name}`);
  } catch (error) {
    console.log(`FAIL  TypeScript, ${journey.name}:`, error);
    process.exitCode = 1;
  }
}

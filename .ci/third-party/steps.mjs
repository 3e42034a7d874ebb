// Runs named steps one after the other and says how each went.
export async function step(name, check) {
  try {
    await check();
    console.log(`ok    ${name}`);
  } catch (e) {
    process.exitCode = 1;
    console.log(`FAIL  ${name}: ${e.message.replaceAll(/\s+/g, ' ')}`);
  }
}

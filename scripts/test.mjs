// npm test: builds, then runs every test. Arguments go to vitest: `npm test -- packages/engine`.
import { build, runTool } from "./workspace.mjs";

build();
// Tests that look at what is built need not build again.
const environment = { HYPERCRAFT_BUILT: "1" };
process.exitCode = await runTool("vitest", ["run", ...process.argv.slice(2)], { environment });

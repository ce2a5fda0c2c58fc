// npm test: builds, then runs every test. Arguments go to vitest: `npm test -- packages/engine`.
import { build, runTool } from "./workspace.mjs";

build();
process.exitCode = await runTool("vitest", ["run", ...process.argv.slice(2)]);

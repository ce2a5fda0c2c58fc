// npm run lint: format and lint rules (biome), then types of everything that the build leaves out (tests,
// benchmarks, examples). `npm run lint -- --fix` writes what biome can mend.
import { install, runTool } from "./workspace.mjs";

install();
const fix = process.argv.includes("--fix");
const biome = await runTool("biome", fix ? ["check", "--write", "."] : ["ci", "."]);
const types = await runTool("tsc", ["-p", "tsconfig.tests.json"]);
process.exitCode = biome || types;

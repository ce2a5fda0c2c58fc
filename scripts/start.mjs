// npm start: boots the embedded guest. `npm start -- run ...` passes its arguments to the CLI instead.
import { build, runCli } from "./workspace.mjs";

build();
const args = process.argv.slice(2);
process.exitCode = await runCli(args.length > 0 ? args : ["demo"]);

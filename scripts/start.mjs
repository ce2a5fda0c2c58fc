// npm start: boots the embedded guest. `npm start -- run ...` passes its arguments to the CLI instead.
import { build, runNode } from "./workspace.mjs";

build();
const args = process.argv.slice(2);
process.exitCode = await runNode(["apps/runner/bin/hypercraft.js", ...(args.length > 0 ? args : ["start"])]);

// npm run bench: guests against QEMU, boots, and the packages' own benchmarks; --help tells more.
import { build, runNode } from "./workspace.mjs";

build();
process.exitCode = await runNode(["bench/main.ts", ...process.argv.slice(2)]);

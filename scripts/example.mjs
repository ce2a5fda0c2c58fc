// npm run example NAME: runs examples/NAME.ts; `npm run example browser` serves the page that runs a guest.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { build, fail, root, runNode } from "./workspace.mjs";

const [name = ""] = process.argv.slice(2);
const file = name === "browser" ? "examples/browser/server.ts" : `examples/${name}.ts`;
if (!/^[\w-]+$/.test(name) || !existsSync(join(root, file))) {
  const names = readdirSync(join(root, "examples")).filter((entry) => entry.endsWith(".ts"));
  fail(
    `no example "${name}"; there are: ${names.map((entry) => entry.slice(0, -3)).join(", ")}, browser.`,
    2,
  );
}
build();
process.exitCode = await runNode([file]);

// npm run bench: every packages/*/bench/*.bench.ts, one process each. `npm run bench -- NAME` runs those
// whose path contains NAME.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { build, fail, packageFolders, root, runNode } from "./workspace.mjs";

build();
const wanted = process.argv[2] ?? "";
const files = packageFolders().flatMap((folder) => {
  if (!existsSync(join(root, folder, "bench"))) return [];
  const benches = readdirSync(join(root, folder, "bench")).filter((file) => file.endsWith(".bench.ts"));
  return benches.sort().map((file) => `${folder}/bench/${file}`);
});
const chosen = files.filter((file) => file.includes(wanted));
if (chosen.length === 0)
  fail(`no benchmark's path contains "${wanted}"; there are: ${files.join(", ") || "none"}.`, 2);
for (const file of chosen) {
  console.log(`\n${file}`);
  const code = await runNode([file]);
  if (code !== 0) process.exitCode = code;
}

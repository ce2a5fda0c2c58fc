// What every root script shares: a fresh checkout is installed and built before its target runs.
// Plain JavaScript without dependencies, in what Node 20 knows: it runs before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pruneDist } from "./sources.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const pinnedNode = join(
  root,
  "node_modules",
  "node",
  "bin",
  process.platform === "win32" ? "node.exe" : "node",
);
const stampFile = join(root, "node_modules", ".install-stamp");

/** Ends the script with one clear message. */
export function fail(message, code = 1) {
  console.error(`hypercraft: ${message}`);
  process.exit(code);
}

const [major] = process.versions.node.split(".").map(Number);
if (major < 20)
  fail(`these scripts need Node 20 or newer to start; this is Node ${process.versions.node}.`, 2);

/**
 * `npm run` exports its own state to its children. What names the outer command or its folders would
 * mislead a nested npx or pnpm; what the user configured (registry, proxy, certificates, cache) must stay.
 */
function cleanEnvironment() {
  const drop =
    /^npm_(lifecycle_|package_|execpath$|node_execpath$|command$|config_(local_prefix|global_prefix|prefix|workspaces?|include_workspace_root|if_present|user_agent|npm_version|node_gyp|init_module|yes|nodedir|omit|production|package|call)$)/i;
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !drop.test(name)));
  // With NODE_ENV=production pnpm would leave out every tool that the scripts need.
  delete environment.NODE_ENV;
  return environment;
}

/** The environment of everything that runs after the installation: pinned node and local tools first. */
export function toolEnvironment() {
  const environment = cleanEnvironment();
  environment.PATH = [join(pinnedNode, ".."), bin, environment.PATH ?? ""].join(delimiter);
  environment.TURBO_TELEMETRY_DISABLED = "1";
  environment.DO_NOT_TRACK = "1";
  return environment;
}

/** Folders of all packages, relative to the root. */
export function packageFolders() {
  return ["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group))
      .sort()
      .map((name) => `${group}/${name}`)
      .filter((folder) => existsSync(join(root, folder, "package.json"))),
  );
}

function manifests() {
  const files = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "examples/package.json"];
  return [...files, ...packageFolders().map((folder) => `${folder}/package.json`)];
}

function installStamp() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  for (const file of manifests()) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function runQuietly(what, command, args, environment) {
  const shell = process.platform === "win32";
  const result = spawnSync(command, args, {
    cwd: root,
    env: environment,
    encoding: "utf8",
    shell,
    maxBuffer: 1 << 28,
  });
  if (result.error) fail(`${what}: cannot run ${command}: ${result.error.message}`);
  if (result.status === 0) return;
  process.stderr.write(result.stdout + result.stderr);
  fail(
    `${what} failed: ${command} ${args.join(" ")} ended with ${result.signal ?? `code ${result.status}`}.`,
  );
}

/** Installs the locked dependencies unless exactly these are there already. */
export function install() {
  const stamp = installStamp();
  const installed = existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp;
  if (installed && existsSync(pinnedNode)) return;
  console.error("hypercraft: installing dependencies ...");
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  // CI=true: never ask, and remove a node_modules made by another tool without a question.
  const environment = { ...cleanEnvironment(), CI: "true" };
  const args = ["--yes", packageManager, "install", "--frozen-lockfile", "--prod=false"];
  runQuietly("installation", "npx", args, environment);
  if (!existsSync(pinnedNode)) {
    fail("the package `node` has no binary: its install script did not run (is ignore-scripts set?).");
  }
  writeFileSync(stampFile, stamp);
}

/** Installs, then builds what changed. */
export function build() {
  install();
  const args = ["run", "build", "--output-logs=errors-only", "--log-order=grouped", "--no-update-notifier"];
  runQuietly("build", join(bin, "turbo"), args, toolEnvironment());
  // Neither the compiler nor turbo's cache takes away what came from a source that was since moved or deleted.
  for (const folder of packageFolders()) pruneDist(join(root, folder));
}

/** Runs a program in the tool environment with this terminal, and gives its exit code. */
export function run(command, args, { environment = {}, cwd = root } = {}) {
  return new Promise((resolve) => {
    const env = { ...toolEnvironment(), ...environment };
    const child = spawn(command, args, { cwd, env, stdio: "inherit" });
    // The terminal sends its signals to the child too; this process waits for what the child makes of them.
    const ignore = () => {};
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, ignore);
    child.on("error", (error) => fail(`cannot run ${command}: ${error.message}`));
    child.on("close", (code, signal) => resolve(signal ? 128 : (code ?? 1)));
  });
}

/** Runs a JavaScript file under the pinned node. */
export const runNode = (args, options) => run(pinnedNode, args, options);

/** Runs an installed tool by its name in node_modules/.bin. */
export const runTool = (name, args, options) => run(join(bin, name), args, options);

/** Runs the CLI as a user of the package would: in the folder from which it was called. */
export function runCli(args) {
  return runNode([join(root, "apps/runner/bin/hypercraft.js"), ...args], {
    cwd: process.env.INIT_CWD ?? process.cwd(),
  });
}

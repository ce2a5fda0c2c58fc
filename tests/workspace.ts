// What the repository's own tests share: where the packages are and how to run tools on them.
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly license: string;
  readonly type: string;
  readonly sideEffects: boolean;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly engines: Readonly<Record<string, string>>;
  readonly publishConfig: { readonly access: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Names of all that a package may import. */
export const dependenciesOf = ({ dependencies, optionalDependencies }: Manifest): readonly string[] =>
  Object.keys({ ...dependencies, ...optionalDependencies });

export interface Package {
  /** The folder's name, which is the package's name in ARCHITECTURE.md. */
  readonly folder: string;
  readonly path: string;
  readonly manifest: Manifest;
  /** Folder names of the workspace packages it depends on. */
  readonly dependencies: readonly string[];
}

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"));

/** Every package that is published. */
export const packages: readonly Package[] = ["packages", "apps"].flatMap((group) =>
  readdirSync(join(root, group))
    .filter((folder) => existsSync(join(root, group, folder, "package.json")))
    .map((folder): Package => {
      const path = join(root, group, folder);
      const manifest: Manifest = readJson(join(path, "package.json"));
      const names = Object.keys(manifest.dependencies ?? {});
      const dependencies = names
        .filter((name) => name.startsWith("@hypercraft/"))
        .map((name) => name.slice("@hypercraft/".length));
      return { folder, path, manifest, dependencies };
    }),
);

/** The environment for tools: pinned node first, and nothing of the npm that may have started the tests. */
function toolEnvironment(): NodeJS.ProcessEnv {
  const keep = /^npm_config_(registry|userconfig|cache|cafile|proxy|https_proxy|noproxy)$/i;
  const names = Object.keys(process.env).filter((name) => !name.startsWith("npm_") || keep.test(name));
  const environment = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  const bin = join(root, "node_modules", ".bin");
  const node = join(root, "node_modules", "node", "bin");
  return { ...environment, PATH: [node, bin, process.env.PATH].join(delimiter), CI: "true", NO_COLOR: "1" };
}

/** Brings every package's dist up to date, which `npm test` has done before any test runs. */
export async function build(): Promise<void> {
  if (process.env["HYPERCRAFT_BUILT"] === undefined) await tool(process.execPath, ["scripts/build.mjs"]);
}

/** Runs a tool and gives what it printed; throws with everything it printed when it fails. */
export function tool(command: string, args: readonly string[], cwd = root): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: toolEnvironment(), maxBuffer: 1 << 26 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`));
    });
  });
}

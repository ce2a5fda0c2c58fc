import { GuestError } from "../errors.js";
import { type ModuleInfo, moduleName, readModuleInfo } from "./modinfo.js";

/** The modules of a kernel package: what there is, and a way to get at it. */
export interface ModuleStore {
  /** Paths below the release's module folder, such as `kernel/fs/ext4/ext4.ko.xz`. */
  readonly paths: readonly string[];
  /** Names of what is built into the kernel. */
  readonly builtin: ReadonlySet<string>;
  /** The module itself, decompressed. */
  read(path: string): Promise<Uint8Array>;
}

export interface LoadedModule {
  readonly name: string;
  /** Path below the module folder, without the compression suffix. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Names of the modules it needs, directly. */
  readonly depends: readonly string[];
}

/**
 * The modules asked for with everything they need, in an order in which `insmod` accepts them. What is
 * built into the kernel is left out; a soft dependency nobody provides is ignored. Throws
 * `MissingPackage` when a module or a hard dependency is not in the package.
 */
export async function resolveModules(store: ModuleStore, wanted: readonly string[]): Promise<LoadedModule[]> {
  const resolver = new Resolver(store);
  for (const name of wanted) await resolver.add(moduleName(name), []);
  return resolver.order;
}

class Resolver {
  readonly order: LoadedModule[] = [];
  readonly #store: ModuleStore;
  readonly #byName: ReadonlyMap<string, string>;
  readonly #seen = new Set<string>();
  #cryptoAliases: Map<string, string> | undefined;

  constructor(store: ModuleStore) {
    this.#store = store;
    this.#byName = new Map(store.paths.map((path) => [moduleName(path), path]));
  }

  async add(name: string, neededBy: readonly string[]): Promise<void> {
    if (this.#seen.has(name) || this.#store.builtin.has(name)) return;
    const path = this.#byName.get(name);
    if (path === undefined) {
      const why = neededBy.length > 0 ? ` (needed by ${neededBy.at(-1)})` : "";
      throw new GuestError("MissingPackage", `the kernel package has no module ${name}${why}`);
    }
    this.#seen.add(name);
    const content = await this.#store.read(path);
    const info = readModuleInfo(path, content);
    for (const soft of info.softPre) await this.#addSoft(soft, [...neededBy, name]);
    for (const dependency of info.depends) await this.add(dependency, [...neededBy, name]);
    this.order.push({ name, path: path.replace(/\.(?:xz|gz|zst)$/, ""), content, depends: info.depends });
  }

  async #addSoft(name: string, neededBy: readonly string[]): Promise<void> {
    const provider = this.#byName.has(moduleName(name)) ? moduleName(name) : await this.#cryptoProvider(name);
    if (provider !== undefined) await this.add(provider, neededBy);
  }

  /**
   * `crypto-crc32c` and the like are aliases, and aliases are found by reading modules; the portable
   * implementations are all in one folder, so that only that one is read.
   */
  async #cryptoProvider(alias: string): Promise<string | undefined> {
    if (!alias.startsWith("crypto-")) return undefined;
    this.#cryptoAliases ??= await this.#readCryptoAliases();
    return this.#cryptoAliases.get(alias);
  }

  async #readCryptoAliases(): Promise<Map<string, string>> {
    const providers = new Map<string, string>();
    for (const path of this.#store.paths) {
      if (!/^kernel\/crypto\/[^/]+$/.test(path)) continue;
      const info: ModuleInfo = readModuleInfo(path, await this.#store.read(path));
      for (const alias of info.aliases) {
        if (!providers.has(alias)) providers.set(alias, moduleName(path));
      }
    }
    return providers;
  }
}

/** `modules.dep` as busybox's and kmod's modprobe read it: each module's closure, direct needs last. */
export function modulesDep(modules: readonly LoadedModule[]): string {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const closure = (module: LoadedModule): string[] => {
    const paths: string[] = [];
    for (const name of module.depends) {
      const needed = byName.get(name);
      if (needed === undefined) continue; // built in
      for (const path of [needed.path, ...closure(needed)]) {
        if (!paths.includes(path)) paths.push(path);
      }
    }
    return paths;
  };
  return modules
    .map(
      (module) =>
        `${module.path}:${closure(module)
          .map((path) => ` ${path}`)
          .join("")}\n`,
    )
    .join("");
}

/** Names in `modules.builtin`. */
export function builtinModules(list: string): Set<string> {
  return new Set(
    list
      .split("\n")
      .filter((line) => line !== "")
      .map(moduleName),
  );
}

/** What a path of a guest file system is. Everything belongs to user and group 0. */
export type FileNode =
  | { readonly type: "directory"; readonly mode: number; readonly entries: Map<string, FileNode> }
  | { readonly type: "file"; readonly mode: number; readonly content: Uint8Array }
  | { readonly type: "symlink"; readonly target: string }
  | {
      readonly type: "character" | "block";
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

export type DirectoryNode = Extract<FileNode, { type: "directory" }>;

/**
 * A file tree to be written as an initramfs or a disk image. Directories on the way to a path are made
 * with mode 0755; permissions are 0 to 0o7777.
 */
export class FileTree {
  readonly root: DirectoryNode = directoryNode(0o755);

  directory(path: string, mode = 0o755): this {
    return this.#put(path, directoryNode(mode));
  }

  file(path: string, content: Uint8Array | string, mode = 0o644): this {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return this.#put(path, { type: "file", mode, content: bytes });
  }

  symlink(path: string, target: string): this {
    return this.#put(path, { type: "symlink", target });
  }

  device(path: string, type: "character" | "block", major: number, minor: number, mode = 0o600): this {
    return this.#put(path, { type, mode, major, minor });
  }

  has(path: string): boolean {
    let node: FileNode | undefined = this.root;
    for (const name of split(path)) node = node?.type === "directory" ? node.entries.get(name) : undefined;
    return node !== undefined;
  }

  /** Every path below the root with its node, parents first, names in byte order: the same each time. */
  *walk(): Generator<{ readonly path: string; readonly node: FileNode }> {
    yield* walkDirectory("", this.root);
  }

  #put(path: string, node: FileNode): this {
    const names = split(path);
    const last = names.pop();
    if (last === undefined) throw new RangeError("the root of a file tree cannot be replaced");
    let parent = this.root;
    for (const name of names) {
      const next = parent.entries.get(name) ?? directoryNode(0o755);
      if (next.type !== "directory") throw new RangeError(`${path}: ${name} is not a directory`);
      parent.entries.set(name, next);
      parent = next;
    }
    if (parent.entries.has(last)) throw new RangeError(`${path} is there already`);
    parent.entries.set(last, node);
    return this;
  }
}

/** The entries of a directory in byte order. */
export function sortedEntries(directory: DirectoryNode): [string, FileNode][] {
  return [...directory.entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

function directoryNode(mode: number): DirectoryNode {
  return { type: "directory", mode, entries: new Map() };
}

function split(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  if (names.some((name) => name === "." || name === ".."))
    throw new RangeError(`${path} is not a plain path`);
  return names;
}

function* walkDirectory(
  prefix: string,
  directory: DirectoryNode,
): Generator<{ path: string; node: FileNode }> {
  for (const [name, node] of sortedEntries(directory)) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    yield { path, node };
    if (node.type === "directory") yield* walkDirectory(path, node);
  }
}

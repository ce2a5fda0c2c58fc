import type { FileNode, FileTree } from "../image/file-tree.js";

const TYPE_BITS = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
};
const TRAILER = "TRAILER!!!";

/**
 * Writes a tree as a "newc" cpio archive, the form of a Linux initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst). The same tree and time give the same
 * bytes.
 *
 * @param mtime seconds since 1970, set on every entry (32 bits).
 */
export function writeCpio(tree: FileTree, mtime: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const append = (bytes: Uint8Array, align: number): void => {
    const padding = (align - ((length + bytes.length) % align)) % align;
    parts.push(bytes, new Uint8Array(padding));
    length += bytes.length + padding;
  };
  let inode = 1;
  for (const { path, node } of tree.walk()) {
    const content = contentOf(node);
    const device = node.type === "character" || node.type === "block" ? node : { major: 0, minor: 0 };
    append(
      header(inode, modeOf(node), node.type === "directory" ? 2 : 1, mtime, content.length, device, path),
      4,
    );
    append(content, 4);
    inode += 1;
  }
  append(header(0, 0, 1, 0, 0, { major: 0, minor: 0 }, TRAILER), 4);
  append(new Uint8Array(0), 512);
  return concat(parts, length);
}

function header(
  inode: number,
  mode: number,
  links: number,
  mtime: number,
  size: number,
  device: { major: number; minor: number },
  name: string,
): Uint8Array {
  const nameBytes = new TextEncoder().encode(`${name}\0`);
  const fields = [
    inode,
    mode,
    0,
    0,
    links,
    mtime,
    size,
    0,
    0,
    device.major,
    device.minor,
    nameBytes.length,
    0,
  ];
  const text = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return concat([new TextEncoder().encode(text), nameBytes], text.length + nameBytes.length);
}

function modeOf(node: FileNode): number {
  return TYPE_BITS[node.type] + (node.type === "symlink" ? 0o777 : node.mode);
}

function contentOf(node: FileNode): Uint8Array {
  if (node.type === "file") return node.content;
  return node.type === "symlink" ? new TextEncoder().encode(node.target) : new Uint8Array(0);
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

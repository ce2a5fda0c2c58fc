// A Debian mirror of a few small packages on 127.0.0.1, for tests of the guest puller.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { makeAr, makeModule, makeTar, makeXz, type TarInput } from "./archives.js";

export const KERNEL_RELEASE = "6.12.9+test-riscv64";
/** What stands for the kernel: any plain file behind an Image header will do. */
export const KERNEL_BYTES = Buffer.concat([
  Buffer.from("MZo\x10", "latin1"),
  Buffer.alloc(70_000, "kernel "),
]);

export interface Seen {
  readonly path: string;
  readonly range: string | undefined;
}

export class FakeMirror {
  /** Content by path; tests may change it. */
  readonly files = new Map<string, Buffer>();
  readonly seen: Seen[] = [];
  /** Ends the connection after this many bytes of a path, once for each number given. */
  readonly breakAfter = new Map<string, number[]>();
  supportsRanges = true;
  readonly #server: Server;
  #port = 0;

  private constructor() {
    this.#server = createServer((request, response) => this.#serve(request, response));
  }

  static async start(): Promise<FakeMirror> {
    const mirror = new FakeMirror();
    await new Promise<void>((resolve) => mirror.#server.listen(0, "127.0.0.1", resolve));
    mirror.#port = (mirror.#server.address() as AddressInfo).port;
    return mirror;
  }

  /** Base address, also when the server has stopped. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/debian`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "";
    this.seen.push({ path, range: request.headers.range });
    const content = this.files.get(path.replace(/^\/debian\//, ""));
    if (content === undefined) {
      response.writeHead(404).end("no such file");
      return;
    }
    const asked = this.supportsRanges ? /^bytes=(\d+)-$/.exec(request.headers.range ?? "") : null;
    const start = asked === null ? 0 : Number(asked[1]);
    const rest = content.subarray(start);
    const range = { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(asked === null ? 200 : 206, {
      "content-length": rest.length,
      ...(asked === null ? {} : range),
    });
    const limit = this.breakAfter.get(path.replace(/^\/debian\//, ""))?.shift();
    if (limit === undefined) {
      response.end(rest);
      return;
    }
    response.write(rest.subarray(0, limit), () => setTimeout(() => response.destroy(), 100));
  }
}

export interface MirrorContent {
  readonly kernel?: Buffer;
  readonly busybox?: Buffer;
  /** Turns the text of the Release file into InRelease; clear-signed with a made-up signature by default. */
  readonly sign?: (release: string) => string;
}

/** Puts a suite "trixie" for riscv64 with kernel, modules and busybox on the mirror. */
export function publish(mirror: FakeMirror, content: MirrorContent = {}): void {
  const pool = {
    "pool/main/l/linux/kernel.deb": makeDeb(kernelFiles(content.kernel ?? KERNEL_BYTES)),
    "pool/main/l/linux/meta.deb": makeDeb([]),
    "pool/main/b/busybox/busybox.deb": makeDeb([
      { path: "./usr/bin/busybox", mode: 0o755, content: content.busybox ?? fakeBusybox() },
    ]),
  };
  for (const [path, bytes] of Object.entries(pool)) mirror.files.set(path, bytes);
  const stanza = (name: string, version: string, file: keyof typeof pool, extra = ""): string =>
    `Package: ${name}\nVersion: ${version}\nArchitecture: riscv64\n${extra}Description: made for a test\n` +
    ` Package: this-line-is-part-of-the-description\nFilename: ${file}\nSize: ${pool[file].length}\nSHA256: ${sha256(pool[file])}\n`;
  const packages = [
    stanza("aardvark", "1", "pool/main/l/linux/meta.deb"),
    stanza("busybox-static", "1:1.37.0-6", "pool/main/b/busybox/busybox.deb"),
    stanza(`linux-image-${KERNEL_RELEASE}`, "6.12.9-1", "pool/main/l/linux/kernel.deb"),
    stanza(
      "linux-image-riscv64",
      "6.12.9-1",
      "pool/main/l/linux/meta.deb",
      `Depends: linux-image-${KERNEL_RELEASE} (= 6.12.9-1)\n`,
    ),
  ].join("\n");
  const index = makeXz(Buffer.from(packages));
  const indexPath = "main/binary-riscv64/Packages.xz";
  const release =
    `Origin: Debian\nLabel: Debian\nSuite: stable\nVersion: 13.9\nCodename: trixie\nAcquire-By-Hash: yes\n` +
    `SHA256:\n ${sha256(index)} ${index.length} ${indexPath}\n`;
  const sign = content.sign ?? madeUpSignature;
  mirror.files.set("dists/trixie/InRelease", Buffer.from(sign(release)));
  mirror.files.set(`dists/trixie/${indexPath}`, index);
  mirror.files.set(`dists/trixie/main/binary-riscv64/by-hash/SHA256/${sha256(index)}`, index);
}

export function madeUpSignature(release: string): string {
  return (
    `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${release}` +
    `-----BEGIN PGP SIGNATURE-----\n\nbm90IGEgc2lnbmF0dXJl\n-----END PGP SIGNATURE-----\n`
  );
}

function makeDeb(files: readonly TarInput[]): Buffer {
  return makeAr([
    { name: "debian-binary", content: Buffer.from("2.0\n") },
    { name: "control.tar.xz", content: makeXz(makeTar([])) },
    { name: "data.tar.xz", content: makeXz(makeTar(files)) },
  ]);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function kernelFiles(kernel: Buffer): TarInput[] {
  const folder = `./usr/lib/modules/${KERNEL_RELEASE}`;
  const module = (path: string, info: Parameters<typeof makeModule>[0]): TarInput => ({
    path: `${folder}/kernel/${path}.ko.xz`,
    content: makeXz(makeModule(info)),
  });
  return [
    { path: "./boot/", type: "5", mode: 0o755 },
    { path: `./boot/config-${KERNEL_RELEASE}`, content: "CONFIG_TEST=y\n" },
    { path: `./boot/vmlinux-${KERNEL_RELEASE}`, content: kernel, mtime: 1_750_000_000 },
    { path: `${folder}/modules.builtin`, content: "kernel/drivers/virtio/virtio_ring.ko\n" },
    module("drivers/virtio/virtio_mmio", { name: "virtio_mmio", depends: "virtio_ring" }),
    module("drivers/block/virtio_blk", { name: "virtio_blk", depends: "" }),
    module("drivers/char/hw_random/virtio-rng", { name: "virtio_rng", depends: "" }),
    module("drivers/net/virtio_net", { name: "virtio_net", depends: "net_failover" }),
    module("drivers/net/net_failover", { name: "net_failover", depends: "" }),
    module("fs/ext4/ext4", { name: "ext4", depends: "jbd2,mbcache", softdep: "pre: crypto-crc32c" }),
    module("fs/jbd2/jbd2", { name: "jbd2", depends: "" }),
    module("fs/mbcache", { name: "mbcache", depends: "" }),
    module("crypto/crc32c_generic", { name: "crc32c_generic", alias: ["crypto-crc32c"], depends: "" }),
    module("crypto/unrelated", { name: "unrelated", alias: ["crypto-other"], depends: "" }),
  ];
}

function fakeBusybox(): Buffer {
  const applets = "[ [[ ash awk cat cttyhack init insmod ls modprobe mount poweroff sh switch_root".split(
    " ",
  );
  return Buffer.concat([
    Buffer.from("\x7fELF pretend code\0", "latin1"),
    Buffer.from(`${applets.join("\0")}\0\0`),
    Buffer.alloc(5000, 0xa5),
  ]);
}

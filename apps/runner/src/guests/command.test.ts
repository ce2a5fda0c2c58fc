import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  FakeMirror,
  KERNEL_BYTES,
  KERNEL_RELEASE,
  madeUpSignature,
  publish,
} from "../../test/fake-mirror.js";
import { cacheRoot } from "./cache.js";
import { guestsCommand } from "./command.js";
import { findGuest, type PullOptions, pullGuest } from "./pull.js";

const NAME = "debian-riscv64";
let mirror: FakeMirror;
let cache: string;

beforeEach(async () => {
  mirror = await FakeMirror.start();
  publish(mirror);
  cache = mkdtempSync(join(tmpdir(), "hypercraft-guests-"));
});
afterEach(async () => {
  await mirror.stop();
  rmSync(cache, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function command(...args: string[]): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await guestsCommand(args, {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    env: { HYPERCRAFT_CACHE: cache, HYPERCRAFT_MIRROR: mirror.url },
  });
  return { code, out: out.join(""), err: err.join("") };
}

/** The made-up signature is only accepted where gpgv is missing, so the tests pull without it. */
function options(more: Partial<PullOptions> = {}): PullOptions {
  const keyring = join(cache, "keyring");
  writeFileSync(keyring, "");
  const env = { HYPERCRAFT_CACHE: cache };
  return { env, mirror: mirror.url, keyring, gpgv: join(cache, "no-gpgv"), retryDelayMs: 1, ...more };
}

const folder = (): string => join(cache, "guests", NAME);

describe("pullGuest", () => {
  it("makes kernel, initramfs, disk, config and manifest", async () => {
    const guest = await pullGuest(NAME, options());
    expect(readFileSync(guest.kernel).equals(KERNEL_BYTES)).toBe(true);
    expect(readFileSync(guest.config, "utf8")).toBe("CONFIG_TEST=y\n");
    expect(statSync(guest.disk).size).toBe(64 * 2 ** 20);
    expect(statSync(guest.disk).blocks * 512).toBeLessThan(4 * 2 ** 20);
    const initrd = readFileSync(guest.initrd, "latin1");
    const base = `lib/modules/${KERNEL_RELEASE}`;
    for (const name of [
      "init",
      "bin/busybox",
      "bin/sh",
      `${base}/kernel/fs/ext4/ext4.ko`,
      `${base}/modules.dep`,
    ]) {
      expect(initrd).toContain(`${name}\0`);
    }
    expect(initrd).toContain(
      [
        "kernel/drivers/virtio/virtio_mmio.ko",
        "kernel/drivers/block/virtio_blk.ko",
        "kernel/crypto/crc32c_generic.ko",
        "kernel/fs/jbd2/jbd2.ko",
        "kernel/fs/mbcache.ko",
        "kernel/fs/ext4/ext4.ko",
        "",
      ].join("\n"),
    );
    expect(initrd).not.toContain("unrelated");
    expect(guest.manifest).toMatchObject({
      kernelRelease: KERNEL_RELEASE,
      suite: "trixie",
      suiteVersion: "13.9",
      mirror: mirror.url,
      signature: "not checked: gpgv is not installed",
      commandLines: { initramfs: "console=ttyS0", disk: "console=ttyS0 root=/dev/vda rw" },
    });
    expect(readdirSync(folder()).sort()).toEqual([
      "disk.ext4",
      "initrd.cpio",
      "kernel",
      "kernel-config",
      "manifest.json",
    ]);
    expect(readdirSync(join(cache, "guests"))).toEqual([NAME]);
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    const fsck = spawnSync("e2fsck", ["-f", "-n", guest.disk], { env, encoding: "utf8" });
    if (fsck.error === undefined) expect(fsck.status, fsck.stdout).toBe(0);
  });

  it("gives the same bytes when pulled again, from a clean cache too", async () => {
    const first = await pullGuest(NAME, options());
    const refreshed = await pullGuest(NAME, options({ refresh: true }));
    rmSync(join(cache, "guests"), { recursive: true });
    const clean = await pullGuest(NAME, options());
    expect(refreshed.manifest).toEqual(first.manifest);
    expect(clean.manifest).toEqual(first.manifest);
  });

  it("does not go to the network for what is there, and not twice for packages", async () => {
    await pullGuest(NAME, options());
    const count = mirror.seen.length;
    await pullGuest(NAME, options());
    expect(mirror.seen.length).toBe(count);
    await pullGuest(NAME, options({ refresh: true }));
    expect(mirror.seen.slice(count).filter(({ path }) => path.endsWith(".deb"))).toEqual([]);
  });

  it("brings a new version with refresh, and drops the old downloads", async () => {
    const old = await pullGuest(NAME, options());
    const downloads = readdirSync(join(cache, "downloads", NAME));
    expect(downloads).toHaveLength(2);
    const kernel = Buffer.concat([KERNEL_BYTES, Buffer.from("new")]);
    publish(mirror, { kernel });
    const fresh = await pullGuest(NAME, options({ refresh: true }));
    expect(readFileSync(fresh.kernel).equals(kernel)).toBe(true);
    expect(fresh.manifest.files.kernel).not.toEqual(old.manifest.files.kernel);
    expect(readdirSync(join(cache, "downloads", NAME))).toHaveLength(2);
  });

  it("leaves the guest that is there alone when a refresh fails", async () => {
    const before = await pullGuest(NAME, options());
    publish(mirror, { kernel: Buffer.from("too small") });
    await expect(pullGuest(NAME, options({ refresh: true }))).rejects.toMatchObject({ code: "BadKernel" });
    expect((await findGuest(NAME, options())).manifest).toEqual(before.manifest);
    expect(readdirSync(join(cache, "guests"))).toEqual([NAME]);
  });

  it("refuses packages and indexes that are not what was promised", async () => {
    const deb = "pool/main/l/linux/kernel.deb";
    const altered = Buffer.from(mirror.files.get(deb)!);
    altered[500] = (altered[500] ?? 0) ^ 1;
    mirror.files.set(deb, altered);
    await expect(pullGuest(NAME, options())).rejects.toMatchObject({
      code: "ChecksumMismatch",
      message: expect.stringMatching(
        /^linux-image-6\.12\.9\+test-riscv64: the SHA-256 of what was downloaded/,
      ),
    });
    for (const [path, bytes] of mirror.files) {
      if (path.includes("binary-riscv64")) mirror.files.set(path, Buffer.alloc(bytes.length));
    }
    await expect(pullGuest(NAME, options())).rejects.toMatchObject({ code: "ChecksumMismatch" });
    expect(existsSync(folder())).toBe(false);
  });

  it("takes only Debian of the pinned suite", async () => {
    const sign = (release: string): string =>
      madeUpSignature(release.replace("Codename: trixie", "Codename: forky"));
    publish(mirror, { sign });
    await expect(pullGuest(NAME, options())).rejects.toMatchObject({
      code: "BadRelease",
      message: expect.stringContaining("is not Debian trixie but Debian forky"),
    });
  });

  it("refuses a signature that is not Debian's where gpgv is there", async () => {
    // A checker that answers as gpgv does when the key is unknown.
    const gpgv = join(cache, "gpgv");
    writeFileSync(gpgv, "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] ERRSIG 0123 22 8 01 0 9 -'\nexit 2\n", {
      mode: 0o755,
    });
    await expect(pullGuest(NAME, options({ gpgv }))).rejects.toMatchObject({ code: "BadSignature" });
  });

  it("passes over apt mirrors that are of no use", async () => {
    const apt = join(cache, "apt");
    mkdirSync(apt);
    const lines = [
      `deb ${mirror.url.replace("/debian", "/empty/debian")} x main`,
      `deb ${mirror.url} x main`,
    ];
    writeFileSync(join(apt, "sources.list"), lines.join("\n"));
    const { mirror: _, ...rest } = options({ aptFolder: apt });
    const said: string[] = [];
    const progress = { line: (text: string) => void said.push(text), bytes() {}, end() {} };
    const guest = await pullGuest(NAME, { ...rest, progress });
    expect(guest.manifest.mirror).toBe(mirror.url);
    expect(said[0]).toMatch(/^mirror .*\/empty\/debian is of no use: .* 404/);
  });

  it("lets one process pull a guest at a time, and takes over the lock of a dead one", async () => {
    const lock = `${folder()}.lock`;
    mkdirSync(join(cache, "guests"));
    writeFileSync(lock, "1\n");
    await expect(pullGuest(NAME, options())).rejects.toMatchObject({ code: "Busy" });
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    writeFileSync(lock, `${dead}\n`);
    const pulls = await Promise.allSettled([pullGuest(NAME, options()), pullGuest(NAME, options())]);
    expect(pulls.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(existsSync(lock)).toBe(false);
  });
});

describe("guestsCommand", () => {
  it("lists, pulls and names paths", async () => {
    expect(await command("list")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^debian-riscv64 .*not pulled\)\n(?:debian-\w+ .*not pulled.*\)\n)*$/),
    });
    const early = await command("path", NAME);
    expect(early).toEqual({
      code: 1,
      out: "",
      err: `hypercraft guests: ${NAME} is not pulled yet: run "hypercraft guests pull ${NAME}"\n`,
    });
    await pullGuest(NAME, options());
    expect((await command("list")).out).toMatch(/pulled: Linux 6\.12\.9\+test-riscv64/);
    const paths = { "": "", "--kernel": "/kernel", "--initrd": "/initrd.cpio", "--disk": "/disk.ext4" };
    for (const [flag, file] of Object.entries(paths)) {
      const args = flag === "" ? [] : [flag];
      expect(await command("path", NAME, ...args)).toEqual({ code: 0, out: `${folder()}${file}\n`, err: "" });
    }
    const pulled = await command("pull", NAME);
    expect(pulled).toMatchObject({ code: 0, err: "" });
    expect(pulled.out).toContain(join(folder(), "initrd.cpio"));
  });

  it("exits 2 when it is called wrongly", async () => {
    const calls = [
      [],
      ["push"],
      ["pull"],
      ["pull", NAME, "more"],
      ["pull", "no-such-guest"],
      ["pull", NAME, "--mirror", "nonsense"],
      ["pull", NAME, "--colour"],
      ["path", NAME, "--kernel", "--disk"],
      ["list", "all"],
    ];
    for (const args of calls) {
      const result = await command(...args);
      expect([args, result.code]).toEqual([args, 2]);
      expect(result.err).toMatch(/^hypercraft guests: .+\n/);
      expect(result.out).toBe("");
    }
  });

  it("explains itself, whatever stands before --help", async () => {
    for (const args of [["--help"], ["help"], ["list", "-h"], ["pull", "--help"], ["path", NAME, "--help"]]) {
      const result = await command(...args);
      expect(result).toMatchObject({
        code: 0,
        out: expect.stringContaining("hypercraft guests pull"),
        err: "",
      });
    }
  });

  it("exits 1 with one line when offline", async () => {
    await mirror.stop();
    const result = await command("pull", NAME);
    expect(result.code).toBe(1);
    expect(result.err).toMatch(
      /^hypercraft guests: cannot reach 127\.0\.0\.1:\d+ \(ECONNREFUSED\): is this machine offline\?\n$/,
    );
    expect(existsSync(folder())).toBe(false);
    mirror = await FakeMirror.start();
  });
});

describe("cacheRoot", () => {
  it("follows HYPERCRAFT_CACHE, XDG_CACHE_HOME and HOME", () => {
    expect(cacheRoot({ HYPERCRAFT_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" })).toBe("/a");
    expect(cacheRoot({ XDG_CACHE_HOME: "/b", HOME: "/c" })).toBe("/b/hypercraft");
    expect(cacheRoot({ XDG_CACHE_HOME: "relative", HOME: "/c" })).toBe("/c/.cache/hypercraft");
  });
});

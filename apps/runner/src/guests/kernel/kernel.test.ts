import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { makeModule, makeXz } from "../../../test/archives.js";
import { plainKernel } from "./image.js";
import { moduleName, readModuleInfo } from "./modinfo.js";
import { builtinModules, type ModuleStore, modulesDep, resolveModules } from "./modules.js";

interface RecordingStore extends ModuleStore {
  readonly asked: string[];
}

function fakeStore(modules: Record<string, Parameters<typeof makeModule>[0]>, builtin = ""): RecordingStore {
  const asked: string[] = [];
  return {
    asked,
    paths: Object.keys(modules),
    builtin: builtinModules(builtin),
    async read(path) {
      asked.push(path);
      return makeModule(modules[path] ?? {});
    },
  };
}

describe("readModuleInfo", () => {
  it("reads names, dependencies, soft dependencies and aliases", () => {
    const module = makeModule({
      name: "ext4",
      depends: "jbd2,crc-itu-t",
      softdep: ["pre: crypto-crc32c other post: late", "post: later"],
      alias: ["fs-ext4", "ext3"],
      license: "GPL",
    });
    expect(readModuleInfo("kernel/fs/ext4/ext4.ko.xz", module)).toEqual({
      name: "ext4",
      depends: ["jbd2", "crc_itu_t"],
      softPre: ["crypto-crc32c", "other"],
      aliases: ["fs-ext4", "ext3"],
    });
  });

  it("names a module by its file where it does not say its name", () => {
    expect(readModuleInfo("a/virtio-rng.ko.xz", makeModule({ depends: "" })).name).toBe("virtio_rng");
    expect(moduleName("kernel/lib/crc-itu-t.ko")).toBe("crc_itu_t");
  });

  it("refuses what is no module", () => {
    const elf32 = makeModule({});
    elf32[4] = 1;
    for (const bytes of [Buffer.from("text"), Buffer.alloc(200), elf32, makeModule({}).subarray(0, 80)]) {
      expect(() => readModuleInfo("m.ko", bytes)).toThrow(expect.objectContaining({ code: "BadKernel" }));
    }
  });
});

describe("resolveModules", () => {
  const modules = {
    "kernel/fs/ext4/ext4.ko.xz": {
      name: "ext4",
      depends: "jbd2,mbcache",
      softdep: "pre: crypto-crc32c absent",
    },
    "kernel/fs/jbd2/jbd2.ko.xz": { name: "jbd2", depends: "lib" },
    "kernel/fs/mbcache.ko": { name: "mbcache", depends: "lib,inside" },
    "kernel/lib/lib.ko.zst": { name: "lib", depends: "" },
    "kernel/crypto/crc32c_generic.ko.xz": { name: "crc32c_generic", alias: "crypto-crc32c", depends: "" },
    "kernel/arch/x/crypto/crc32c-fast.ko.xz": { name: "crc32c_fast", alias: "crypto-crc32c", depends: "" },
    "kernel/drivers/net/unread.ko.xz": { name: "unread", depends: "" },
  };

  it("orders modules behind what they need, and reads no others", async () => {
    const store = fakeStore(modules, "kernel/lib/inside.ko\n");
    const order = await resolveModules(store, ["ext4", "mbcache"]);
    expect(order.map(({ name }) => name)).toEqual(["crc32c_generic", "lib", "jbd2", "mbcache", "ext4"]);
    expect(order.map(({ path }) => path).at(1)).toBe("kernel/lib/lib.ko");
    expect(store.asked).not.toContain("kernel/drivers/net/unread.ko.xz");
    expect(store.asked).not.toContain("kernel/arch/x/crypto/crc32c-fast.ko.xz");
  });

  it("writes modules.dep with whole closures", async () => {
    const order = await resolveModules(fakeStore(modules, "kernel/lib/inside.ko\n"), ["ext4"]);
    expect(modulesDep(order)).toBe(
      [
        "kernel/crypto/crc32c_generic.ko:",
        "kernel/lib/lib.ko:",
        "kernel/fs/jbd2/jbd2.ko: kernel/lib/lib.ko",
        "kernel/fs/mbcache.ko: kernel/lib/lib.ko",
        "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/lib.ko kernel/fs/mbcache.ko",
        "",
      ].join("\n"),
    );
  });

  it("leaves out what is built in and names what is missing", async () => {
    expect(await resolveModules(fakeStore(modules, "kernel/fs/ext4/ext4.ko\n"), ["ext4"])).toEqual([]);
    const missing = resolveModules(fakeStore(modules), ["ext4"]);
    await expect(missing).rejects.toThrow("the kernel package has no module inside (needed by mbcache)");
    await expect(resolveModules(fakeStore(modules), ["nothing"])).rejects.toMatchObject({
      code: "MissingPackage",
    });
  });
});

describe("plainKernel", () => {
  const image = Buffer.concat([
    Buffer.from("MZo\x10", "latin1"),
    Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * index) >> 3)),
  ]);

  function zboot(kind: string, payload: Uint8Array): Buffer {
    const header = Buffer.alloc(64);
    header.write("MZ\0\0zimg");
    header.writeUInt32LE(64, 8);
    header.writeUInt32LE(payload.length, 12);
    header.write(kind, 24);
    return Buffer.concat([header, payload, Buffer.from("rest of the file")]);
  }

  it("gives the plain file whatever it came in", async () => {
    const packed = [
      image,
      gzipSync(image),
      makeXz(image),
      zstdCompressSync(image),
      zboot("gzip", gzipSync(image)),
      zboot("zstd22", zstdCompressSync(image)),
      zboot("xzkern", makeXz(image)),
    ];
    for (const file of packed) expect(Buffer.from(await plainKernel(file)).equals(image)).toBe(true);
  });

  it("says what it cannot unpack", async () => {
    const bad = [zboot("lz4", image), zboot("gzip", gzipSync(image)).subarray(0, 100), Buffer.from("tiny")];
    for (const file of bad) await expect(plainKernel(file)).rejects.toMatchObject({ code: "BadKernel" });
  });
});

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ByteStream } from "../archive/decompress.js";
import { DEFAULT_MIRROR, mirrorCandidates, parseDeb822, parseOneLine } from "./mirror.js";
import { findPackage, kernelPackageOf, readPackages } from "./packages.js";
import { clearsignedText, parseRelease } from "./release.js";
import { compareVersions } from "./version.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-debian-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("mirrors", () => {
  it("reads one-line sources", () => {
    const text = [
      "# deb http://comment.example/debian bookworm main",
      "deb http://one.example/debian/ bookworm main contrib # all",
      "deb [arch=amd64 signed-by=/x.gpg] https://two.example/mirror/debian bookworm-updates main",
      "deb-src http://source.example/debian bookworm main",
      "deb http://security.example/debian-security bookworm-security main",
      "deb https://vendor.example/linux/debian bookworm stable",
      "deb cdrom:[Debian 12]/ bookworm main",
      "deb http://archive.example/ubuntu noble main",
      "",
    ].join("\n");
    expect(parseOneLine(text)).toEqual(["http://one.example/debian", "https://two.example/mirror/debian"]);
  });

  it("reads deb822 sources", () => {
    const text = [
      "Types: deb deb-src",
      "# a comment inside",
      "URIs: http://one.example/debian",
      "  https://two.example/debian/",
      "Suites: bookworm",
      " bookworm-updates",
      "Components: main non-free",
      "",
      "Types: deb",
      "Enabled: no",
      "URIs: http://disabled.example/debian",
      "Suites: sid",
      "Components: main",
      "",
      "Types: deb",
      "URIs: http://vendor.example/debian",
      "Suites: x",
      "Components: contrib",
    ].join("\n");
    expect(parseDeb822(text)).toEqual(["http://one.example/debian", "https://two.example/debian"]);
  });

  it("asks option, environment, apt and the default, in that order", async () => {
    const apt = join(folder, "apt");
    mkdirSync(join(apt, "sources.list.d"), { recursive: true });
    writeFileSync(join(apt, "sources.list"), "deb http://a.example/debian x main\n");
    const stanza = "Types: deb\nURIs: http://b.example/debian\nSuites: y\nComponents: main\n";
    writeFileSync(join(apt, "sources.list.d", "b.sources"), stanza);
    writeFileSync(join(apt, "sources.list.d", "c.list.disabled"), "deb http://c.example/debian x main\n");
    const env = { HYPERCRAFT_MIRROR: "http://env.example/debian/" };
    expect(await mirrorCandidates("https://option.example/d/", env, apt)).toEqual([
      { url: "https://option.example/d", origin: "option" },
    ]);
    expect(await mirrorCandidates(undefined, env, apt)).toEqual([
      { url: "http://env.example/debian", origin: "environment" },
    ]);
    expect(await mirrorCandidates(undefined, {}, apt)).toEqual([
      { url: "http://a.example/debian", origin: "apt" },
      { url: "http://b.example/debian", origin: "apt" },
      { url: DEFAULT_MIRROR, origin: "default" },
    ]);
    expect(await mirrorCandidates(undefined, {}, join(folder, "none"))).toEqual([
      { url: DEFAULT_MIRROR, origin: "default" },
    ]);
    await expect(mirrorCandidates("ftp://x/debian", {}, apt)).rejects.toMatchObject({ code: "BadMirror" });
    await expect(mirrorCandidates("nonsense", {}, apt)).rejects.toMatchObject({ code: "BadMirror" });
  });
});

describe("InRelease", () => {
  const digest = "a".repeat(64);
  const release = `Origin: Debian\nCodename: trixie\nVersion: 13.1\nMD5Sum:\n ${"b".repeat(32)} 5 main/x\nSHA256:\n ${digest}     1234 main/x\n`;
  const signed = (text: string): string =>
    `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${text}-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n`;

  it("gives the fields and the SHA-256 list", () => {
    const parsed = parseRelease(clearsignedText(signed(release)));
    expect(parsed).toMatchObject({
      origin: "Debian",
      codename: "trixie",
      version: "13.1",
      acquireByHash: false,
    });
    expect([...parsed.files]).toEqual([["main/x", { sha256: digest, size: 1234 }]]);
    expect(() => parseRelease("Origin: Debian\n")).toThrow(/SHA-256/);
  });

  it("undoes dash escapes and refuses anything around or between the signed text", () => {
    expect(clearsignedText(signed("- -dash\nplain\n"))).toBe("-dash\nplain");
    const bad = [
      release,
      `Origin: Evil\n${signed(release)}`,
      `${signed(release)}Origin: Evil\n`,
      signed(release) + signed(release),
      signed(release).replace("Hash: SHA512", "Origin: Evil"),
      signed(`${release}-----BEGIN PGP SIGNED MESSAGE-----\n`),
      signed(release).replace(/-----END.*/, ""),
      "",
    ];
    for (const message of bad) expect(() => clearsignedText(message), message).toThrow(/clear-signed/);
  });
});

describe("Packages", () => {
  const stanza = (name: string, version: string, extra = ""): string =>
    `Package: ${name}\nVersion: ${version}\nArchitecture: riscv64\n${extra}Filename: pool/${name}_${version}.deb\nSize: 10\nSHA256: ${"c".repeat(64)}\n`;

  async function* chunks(text: string, size: number): ByteStream {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  it("finds the newest version of a package, in chunks of any size", async () => {
    const index = [
      stanza("other", "1"),
      stanza("kernel", "6.12.9-1"),
      stanza("kernel", "6.12.10-1"),
      stanza("kernel", "6.12.10~rc1-1"),
      stanza("last", "2"),
    ].join("\n");
    for (const size of [1, 50, 10_000]) {
      const found = await readPackages(chunks(index, size), (name) => name !== "other");
      expect([...found.keys()]).toEqual(["kernel", "last"]);
      expect(findPackage(found, "kernel")).toMatchObject({ version: "6.12.10-1", size: 10 });
    }
  });

  it("follows a kernel meta package", async () => {
    const depends = "Depends: linux-base (>= 4) | x, linux-image-6.12-riscv64 (= 6.12.9-1)\n";
    const index = [
      stanza("linux-image-riscv64", "1", depends),
      stanza("linux-image-6.12-riscv64", "6.12.9-1"),
    ];
    const found = await readPackages(chunks(index.join("\n"), 99), () => true);
    expect(kernelPackageOf(found, "linux-image-riscv64").name).toBe("linux-image-6.12-riscv64");
    expect(() => kernelPackageOf(found, "linux-image-6.12-riscv64")).toThrow(/depends on no kernel/);
    expect(() => kernelPackageOf(found, "absent")).toThrow(/no package absent/);
  });

  it("refuses records that name no plain path or no digest", async () => {
    const good = stanza("p", "1");
    const bad = [
      good.replace("pool/", "/"),
      good.replace("pool/", "a/../../"),
      good.replace(/SHA256.*\n/, ""),
    ];
    for (const text of bad) {
      await expect(readPackages(chunks(text, 100), () => true)).rejects.toMatchObject({
        code: "MissingPackage",
      });
    }
  });
});

describe("compareVersions", () => {
  const pairs: [string, "lt" | "eq" | "gt", string][] = [
    ["1.0", "lt", "1.1"],
    ["6.12.9-1", "lt", "6.12.10-1"],
    ["1:1.0", "gt", "2.0"],
    ["1.0~rc1", "lt", "1.0"],
    ["1.0~rc1-1", "lt", "1.0~rc2-1"],
    ["1.0-1", "lt", "1.0-1+b1"],
    ["1.0a", "lt", "1.0b"],
    ["1.0+x", "gt", "1.0a"],
    ["1.0", "eq", "1.00"],
    ["6.12.107-1", "gt", "6.12.94-1"],
    ["1.0-1~bpo12+1", "lt", "1.0-1"],
    ["2.30-1-2", "gt", "2.30-1"],
  ];

  it("orders as Debian policy says", () => {
    for (const [a, relation, b] of pairs) {
      const sign = { lt: -1, eq: 0, gt: 1 }[relation];
      expect(Math.sign(compareVersions(a, b)), `${a} ${b}`).toBe(sign);
      expect(Math.sign(compareVersions(b, a)), `${b} ${a}`).toBe(sign === 0 ? 0 : -sign);
    }
  });

  it.skipIf(spawnSync("dpkg", ["--version"]).status !== 0)("agrees with dpkg", () => {
    for (const [a, relation, b] of pairs) {
      expect(spawnSync("dpkg", ["--compare-versions", a, relation, b]).status, `${a} ${relation} ${b}`).toBe(
        0,
      );
    }
  });
});

// The committed images against their sources.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  architectureNames,
  BIOS,
  benchPath,
  build,
  buildBench,
  buildBios,
  findToolchain,
  modulePath,
  moduleText,
  prebuiltPath,
} from "../../../guests/build.mjs";
import { type EmbeddedGuestArch, embeddedGuest, embeddedGuestArchs, guestBios } from "./index.js";

const toolchain = findToolchain();

describe.each(architectureNames)("the %s guest", (arch) => {
  const prebuilt = readFileSync(prebuiltPath(arch));

  it("is the same in the package as in guests/prebuilt", () => {
    expect(embeddedGuestArchs).toContain(arch);
    expect(Buffer.compare(embeddedGuest(arch as EmbeddedGuestArch), prebuilt)).toBe(0);
    expect(readFileSync(modulePath(arch), "utf8")).toBe(moduleText(arch, prebuilt));
  });

  it("holds no path of the machine that built it", () => {
    expect(prebuilt.toString("latin1")).not.toMatch(/\/(home|root|tmp|work|usr)\//);
  });

  it("comes out byte for byte when it is built again", (context) => {
    if (!toolchain.exact) context.skip(toolchain.reason);
    expect(Buffer.compare(build(arch, toolchain), prebuilt)).toBe(0);
  });
});

describe.each(architectureNames)("the %s benchmark program", (arch) => {
  const prebuilt = readFileSync(benchPath(arch));

  it("holds no path of the machine that built it", () => {
    expect(prebuilt.toString("latin1")).not.toMatch(/\/(home|root|work|usr)\//);
  });

  it("comes out byte for byte when it is built again", (context) => {
    if (!toolchain.exact) context.skip(toolchain.reason);
    expect(Buffer.compare(buildBench(arch, toolchain), prebuilt)).toBe(0);
  });
});

describe("the guest BIOS", () => {
  const prebuilt = readFileSync(prebuiltPath(BIOS));

  it("is the same in the package as in guests/prebuilt", () => {
    expect(Buffer.compare(guestBios(), prebuilt)).toBe(0);
    expect(readFileSync(modulePath(BIOS), "utf8")).toBe(moduleText(BIOS, prebuilt));
  });

  it("comes out byte for byte when it is built again", (context) => {
    if (!toolchain.exact) context.skip(toolchain.reason);
    expect(Buffer.compare(buildBios(toolchain), prebuilt)).toBe(0);
  });
});

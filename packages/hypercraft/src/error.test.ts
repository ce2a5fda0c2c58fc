import { describe, expect, it } from "vitest";
import { guestPhysAddr, hostPhysAddr } from "./address.js";
import { HYPER_ERROR_CODES, HYPER_ERROR_MEANINGS, HyperError, isHyperError } from "./error.js";

describe("HyperError", () => {
  it("has the twelve codes of hcHyper and its successor, and two of rvm", () => {
    const family = [
      "Internal",
      "NotSupported",
      "NoMemory",
      "InvalidParam",
      "InvalidInstruction",
      "OutOfRange",
      "BadState",
      "NotFound",
      "FetchFault",
      "PageFault",
      "DecodeError",
      "Disabled",
    ];
    expect(HYPER_ERROR_CODES).toEqual([...family, "AlreadyExists", "ResourceBusy"]);
    for (const code of HYPER_ERROR_CODES) expect(HYPER_ERROR_MEANINGS[code].length).toBeGreaterThan(10);
  });

  it("carries code, message and cause", () => {
    const cause = new Error("below");
    const error = new HyperError("NoMemory", "no frame", { cause });
    expect([error.code, error.message, error.name, error.cause]).toEqual([
      "NoMemory",
      "no frame",
      "HyperError",
      cause,
    ]);
    expect(error).toBeInstanceOf(Error);
  });

  it("is recognized by name and code, also from another copy of the package", () => {
    const error = new HyperError("NotFound", "x");
    expect(isHyperError(error)).toBe(true);
    expect(isHyperError(error, "NotFound")).toBe(true);
    expect(isHyperError(error, "BadState")).toBe(false);
    const foreign = Object.assign(new Error("x"), { name: "HyperError", code: "NotFound" });
    expect(isHyperError(foreign, "NotFound")).toBe(true);
    expect(isHyperError(Object.assign(new Error("x"), { name: "HyperError", code: "Other" }))).toBe(false);
    expect(isHyperError(new Error("x"))).toBe(false);
    expect(isHyperError(undefined)).toBe(false);
  });
});

describe("addresses", () => {
  it("accepts integers from 0 to 2^53 - 1", () => {
    expect(hostPhysAddr(0x8000_0000n)).toBe(0x8000_0000);
    expect(guestPhysAddr(Number.MAX_SAFE_INTEGER)).toBe(2 ** 53 - 1);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53, 2n ** 64n])("refuses %s", (value) => {
    expect(() => hostPhysAddr(value)).toThrow(expect.objectContaining({ code: "OutOfRange" }));
    expect(() => guestPhysAddr(value)).toThrow(expect.objectContaining({ code: "OutOfRange" }));
  });
});

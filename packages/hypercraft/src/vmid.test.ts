import { describe, expect, it } from "vitest";
import { VmidAllocator } from "./vmid.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("VmidAllocator", () => {
  it("hands out the lowest free one, from 1 to the width's end", () => {
    const vmids = new VmidAllocator(2);
    expect([vmids.allocate(), vmids.allocate(), vmids.allocate()]).toEqual([1, 2, 3]);
    expect(() => vmids.allocate()).toThrow(code("ResourceBusy"));
    vmids.free(2);
    expect(vmids.allocate()).toBe(2);
  });

  it("takes back only what is in use", () => {
    const vmids = new VmidAllocator();
    for (const vmid of [0, 1, 256]) expect(() => vmids.free(vmid)).toThrow(code("NotFound"));
    vmids.free(vmids.allocate());
    expect(() => vmids.free(1)).toThrow(code("NotFound"));
  });

  it.each([0, 17, 1.5])("refuses %s bits", (bits) => {
    expect(() => new VmidAllocator(bits)).toThrow(code("InvalidParam"));
  });
});

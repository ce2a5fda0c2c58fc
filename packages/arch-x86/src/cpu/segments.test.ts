import { expect, test } from "vitest";
import { createBareMachine } from "../testing/cpu/bare-machine.js";
import { RIGHTS } from "./control-bits.js";
import { SEGMENTS, Seg, type SegmentFields } from "./state.js";

test("real mode keeps a segment's limit, and with it what the limit is counted in", () => {
  const { core, cpu } = createBareMachine("cold");
  for (const number of [Seg.cs, Seg.ds]) {
    const fields = SEGMENTS[number] as SegmentFields;
    const { granularity, present, segment, writable, accessed } = RIGHTS;
    const rights = granularity | present | segment | writable | accessed;
    cpu.segments.set(fields, 8, 0, 0, -1, rights);
    cpu.segments.loadReal(number, 0xf000, false);
    expect(core.lo(fields.base)).toBe(0xf_0000);
    expect(core.lo(fields.limit)).toBe(-1);
    expect(core.lo(fields.rights)).toBe(0x8093);
  }
});

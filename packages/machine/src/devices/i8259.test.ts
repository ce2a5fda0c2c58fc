import { beforeEach, describe, expect, it } from "vitest";
import { Pic } from "./i8259.js";
import { TestLine, throughJson } from "./testing/rig.js";

// 8259A data sheet; offsets are from port 0x20.
const [FIRST, SECOND, TRIGGERS] = [0, 0x80, 0x4b0];

let output: TestLine;
let pic: Pic;
const out = (offset: number, ...values: number[]) => {
  for (const value of values) pic.write(offset, 1, value);
};
const read = (offset: number) => pic.read(offset, 1);
const pulse = (irq: number) => {
  pic.line(irq).set(true);
  pic.line(irq).set(false);
};
const high = (...irqs: number[]) => {
  for (const irq of irqs) pic.line(irq).set(true);
};
const service = (chip = FIRST) => {
  out(chip, 0x0b);
  return read(chip);
};
const requests = (chip = FIRST) => {
  out(chip, 0x0a);
  return read(chip);
};
/** Vectors as they come, each ended unspecifically where it came from. */
function take(): number[] {
  const vectors: number[] = [];
  while (pic.pending) {
    const vector = pic.acknowledge();
    vectors.push(vector);
    if (vector >= 0x28) out(SECOND, 0x20);
    out(FIRST, 0x20);
  }
  return vectors;
}

beforeEach(() => {
  output = new TestLine();
  pic = new Pic({ output });
  // As PC firmware and Linux do it: vectors 0x20 and 0x28, the second chip at input 2.
  for (const [chip, base, cascade] of [
    [FIRST, 0x20, 4],
    [SECOND, 0x28, 2],
  ] as const) {
    out(chip, 0x11);
    out(chip + 1, base, cascade, 1, 0);
  }
});

describe("requests", () => {
  it("come by priority, the second chip's as input 2", () => {
    high(1, 3, 7, 8, 15);
    expect(output.level).toBe(true);
    expect([requests(), requests(SECOND)]).toEqual([0x8e, 0x81]);
    expect(take()).toEqual([0x21, 0x28, 0x2f, 0x23, 0x27]);
    expect([output.level, requests(), requests(SECOND)]).toEqual([false, 0, 0]);
  });

  it("are masked by OCW1, which reads back", () => {
    out(FIRST + 1, 0xfd);
    out(SECOND + 1, 0xff);
    high(3, 9);
    expect([pic.pending, read(FIRST + 1), read(SECOND + 1)]).toEqual([false, 0xfd, 0xff]);
    out(FIRST + 1, 0);
    expect(take()).toEqual([0x23]);
    out(SECOND + 1, 0);
    expect(take()).toEqual([0x29]);
  });

  it("wait for higher ones in service, and interrupt lower ones", () => {
    high(4);
    expect(pic.acknowledge()).toBe(0x24);
    high(5, 4);
    expect([pic.pending, service()]).toEqual([false, 0x10]);
    high(3);
    expect([pic.acknowledge(), service()]).toEqual([0x23, 0x18]);
    out(FIRST, 0x20);
    expect(service()).toBe(0x10);
    out(FIRST, 0x20);
    expect(pic.acknowledge()).toBe(0x25);
  });

  it("of edges are gone when the line falls before they are acknowledged", () => {
    pic.line(5).set(true);
    expect(output.level).toBe(true);
    pic.line(5).set(false);
    expect([output.level, requests()]).toEqual([false, 0]);
    // The processor asks all the same: level 7, which is not in service.
    expect([pic.acknowledge(), service()]).toEqual([0x27, 0]);
  });

  it("of the second chip that are gone are its level 7", () => {
    pic.line(9).set(true);
    pic.line(9).set(false);
    high(10);
    out(SECOND + 1, 0xff);
    expect(pic.pending).toBe(false);
    out(SECOND + 1, 0);
    expect(pic.acknowledge()).toBe(0x2a);
    expect([service(), service(SECOND)]).toEqual([4, 4]);
  });

  it("of an edge come once", () => {
    high(5);
    expect(take()).toEqual([0x25]);
    high(5);
    expect(take()).toEqual([]);
    pulse(5);
    high(5);
    expect(take()).toEqual([0x25]);
  });

  it("of levels come while the line is high, where ELCR says so", () => {
    out(TRIGGERS, 0xff);
    out(TRIGGERS + 1, 0xff);
    expect([read(TRIGGERS), read(TRIGGERS + 1)]).toEqual([0xf8, 0xde]);
    high(5);
    expect([pic.acknowledge(), pic.pending]).toEqual([0x25, false]);
    out(FIRST, 0x20);
    expect(pic.acknowledge()).toBe(0x25);
    pic.line(5).set(false);
    out(FIRST, 0x20);
    expect(pic.pending).toBe(false);
    high(11);
    expect([pic.acknowledge(), requests(SECOND)]).toEqual([0x2b, 8]);
  });
});

describe("operation commands", () => {
  it("end interrupts specifically", () => {
    high(6);
    pic.acknowledge();
    high(2 + 1);
    pic.acknowledge();
    expect(service()).toBe(0x48);
    out(FIRST, 0x66);
    expect(service()).toBe(8);
    out(FIRST, 0x63);
    expect(service()).toBe(0);
  });

  it("rotate priorities at an end, unspecific or specific, or at once", () => {
    high(4);
    pic.acknowledge();
    out(FIRST, 0xa0);
    // 4 is the lowest now: 5 is the highest.
    high(0, 3, 6);
    expect(pic.acknowledge()).toBe(0x26);
    out(FIRST, 0xe6);
    expect(pic.acknowledge()).toBe(0x20);
    out(FIRST, 0x20);
    out(FIRST, 0xc2);
    high(5);
    expect([pic.acknowledge(), service()]).toEqual([0x23, 8]);
  });

  it("end by themselves, and rotate then, if told so", () => {
    out(FIRST, 0x11);
    out(FIRST + 1, 0x20, 4, 3, 0);
    high(1, 4);
    expect([pic.acknowledge(), service(), pic.acknowledge()]).toEqual([0x21, 0, 0x24]);
    out(FIRST, 0x80);
    for (const irq of [1, 4]) pic.line(irq).set(false);
    high(4);
    expect(pic.acknowledge()).toBe(0x24);
    high(1, 5);
    expect([pic.acknowledge(), pic.acknowledge()]).toEqual([0x25, 0x21]);
    out(FIRST, 0x00);
    for (const irq of [1, 5]) pic.line(irq).set(false);
    high(5);
    expect(pic.acknowledge()).toBe(0x25);
    high(1, 3);
    // Still 1 lowest, from the last rotation.
    expect(pic.acknowledge()).toBe(0x23);
  });

  it("let lower requests through in special mask mode", () => {
    high(3);
    pic.acknowledge();
    high(6);
    out(FIRST + 1, 0x08);
    expect(pic.pending).toBe(false);
    out(FIRST, 0x68);
    expect(pic.acknowledge()).toBe(0x26);
    // An unspecific end passes over the masked level.
    out(FIRST, 0x20);
    expect(service()).toBe(8);
    out(FIRST, 0x48);
    high(7);
    expect(pic.pending).toBe(false);
  });

  it("let the second chip's higher requests through in special fully nested mode", () => {
    high(12);
    expect(pic.acknowledge()).toBe(0x2c);
    high(9);
    expect(pic.pending).toBe(false);
    out(FIRST, 0x11);
    out(FIRST + 1, 0x20, 4, 0x11, 0);
    // ICW1 forgot the edge of input 2, as it does.
    pic.line(9).set(false);
    out(SECOND, 0x20);
    pic.line(12).set(false);
    high(12);
    expect(pic.acknowledge()).toBe(0x2c);
    high(9);
    expect(pic.acknowledge()).toBe(0x29);
  });

  it("poll: the next read is an acknowledgement", () => {
    high(5);
    out(FIRST, 0x0c);
    expect([read(FIRST), service(), pic.pending]).toEqual([0x85, 0x20, false]);
    out(FIRST, 0x20, 0x0c);
    expect(read(FIRST)).toBe(0);
    // The selection of registers is what it was.
    expect(read(FIRST)).toBe(0);
    high(14);
    out(SECOND, 0x0c);
    expect([read(SECOND), service(SECOND)]).toEqual([0x86, 0x40]);
  });
});

it("is initialized anew by ICW1", () => {
  high(3);
  pic.acknowledge();
  high(4);
  out(FIRST + 1, 0x55);
  out(FIRST, 0xc2, 0x68, 0x0b, 0x11);
  // IMR and ISR are clear, IRR is selected, edges have to come again.
  expect([read(FIRST + 1), read(FIRST)]).toEqual([0, 0]);
  out(FIRST + 1, 0x70, 4, 1);
  expect([service(), pic.pending]).toEqual([0, false]);
  for (const irq of [3, 4]) pic.line(irq).set(false);
  high(3, 4);
  expect([pic.acknowledge(), pic.pending]).toEqual([0x73, false]);
});

it("takes no third and fourth command word where there are none", () => {
  out(FIRST, 0x12);
  out(FIRST + 1, 0x40, 0xf7);
  expect(read(FIRST + 1)).toBe(0xf7);
  high(3);
  expect(pic.acknowledge()).toBe(0x43);
});

it("has inputs 0, 1 and 3 to 15", () => {
  for (const irq of [-1, 2, 16]) expect(() => pic.line(irq)).toThrow(`no input ${irq}`);
});

it("goes on after a restore, and is as at power-up after a reset", () => {
  high(3, 12);
  pic.acknowledge();
  out(FIRST, 0x20, 0x0b);
  out(SECOND, 0x11);
  const state = throughJson(pic.state());
  const line = new TestLine();
  const copy = new Pic({ output: line });
  copy.restore(state);
  expect(copy.state()).toEqual(pic.state());
  expect([line.level, copy.read(FIRST, 1)]).toEqual([pic.pending, read(FIRST)]);
  expect(() => copy.restore({ ...state, first: { version: 1 } })).toThrow("no valid");
  copy.reset();
  expect([copy.read(FIRST, 1), copy.read(FIRST + 1, 1), copy.pending, line.level]).toEqual([
    0,
    0,
    false,
    false,
  ]);
});

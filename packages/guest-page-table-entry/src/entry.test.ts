import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeFields, fieldValue, rawEntry, setRawEntry } from "./entry.js";
import { eptPte } from "./ept.js";
import { formatFlags, MappingFlags } from "./flags.js";

const words = new Uint32Array(2);

test("raw entries survive storing, and fields are the bits that they name", () => {
  const field = fc
    .integer({ min: 0, max: 63 })
    .chain((bit) => fc.tuple(fc.constant(bit), fc.integer({ min: 1, max: Math.min(52, 64 - bit) })));
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), field, (raw, [bit, width]) => {
      setRawEntry(words, 0, raw);
      expect(rawEntry(words, 0)).toBe(raw);
      expect(fieldValue(words, 0, bit, width)).toBe(
        Number((raw >> BigInt(bit)) & ((1n << BigInt(width)) - 1n)),
      );
    }),
  );
});

test("decodeFields gives values and, where the format has a word, their meaning", () => {
  setRawEntry(words, 0, 0x1234_5037n);
  const decoded = decodeFields(eptPte, words, 0, "leaf");
  expect(decoded.find((field) => field.name === "memory type")).toMatchObject({ value: 6, meaning: "WB" });
  expect(decoded.find((field) => field.name === "address")).toMatchObject({ value: 0x1_2345 });
});

test("formatFlags names the flags in letters", () => {
  expect(formatFlags(MappingFlags.READ | MappingFlags.EXECUTE | MappingFlags.DEVICE)).toBe("r-x-d");
});

import { littleEndian } from "../isa/encode.js";

// Bytes of machine code that tests write by hand.

/** A number in four or so many bytes. */
export const le = (value: number | bigint, bytes = 4): number[] => littleEndian(value, bytes);

/** `mov ecx, number; mov eax, value; xor edx, edx; wrmsr`. */
export const wrmsr = (number: number, value: number): number[] => [
  ...[0xb9, ...le(number), 0xb8, ...le(value), 0x31, 0xd2, 0x0f, 0x30],
];

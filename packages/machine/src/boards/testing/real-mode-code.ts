// Bytes of machine code for real mode, of tests' programs on a PC.

/** A number of 16 bits. */
export const word = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff];
/** `mov dx, port; mov al, value; out dx, al`. */
export const out = (port: number, value: number): number[] => [0xba, ...word(port), 0xb0, value, 0xee];
/** `mov word [at], value`. */
export const store = (at: number, value: number): number[] => [0xc7, 0x06, ...word(at), ...word(value)];
/** `mov ecx, msr; mov eax, value; xor edx, edx; wrmsr`. */
export const wrmsr = (msr: number, value: number): number[] => [
  ...[0x66, 0xb9, ...word(msr), 0, 0, 0x66, 0xb8, ...word(value & 0xffff), ...word(value >>> 16)],
  ...[0x66, 0x31, 0xd2, 0x0f, 0x30],
];
/** Text to the debug console: `mov al, character; out 0xe9, al` for each. */
export const say = (text: string): number[] =>
  [...text].flatMap((char) => [0xb0, char.charCodeAt(0), 0xe6, 0xe9]);
/** The end with exit code 3: `mov al, 1; out 0xf4, al`. */
export const EXIT: readonly number[] = [0xb0, 1, 0xe6, 0xf4];

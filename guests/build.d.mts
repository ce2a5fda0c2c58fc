/** Types of build.mjs, for the tests that use it. */

export interface Toolchain {
  clang: string | undefined;
  lld: string | undefined;
  exact: boolean;
  reason: string;
}

export const architectureNames: string[];
/** What takes the place of an architecture's name for the guest BIOS. */
export const BIOS: string;
export const pinned: { clang: string; lld: string };
export function findToolchain(): Toolchain;
export function build(arch: string, toolchain?: Toolchain): Buffer;
export function buildBench(arch: string, toolchain?: Toolchain): Buffer;
export function buildBios(toolchain?: Toolchain): Buffer;
export function benchPath(arch: string): string;
export function prebuiltPath(image: string): string;
export function modulePath(image: string): string;
export function moduleText(image: string, bytes: Buffer): string;

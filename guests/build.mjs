#!/usr/bin/env node
// Builds the embedded guest (programs first, then the kernel with the programs inside), the benchmark program that
// runs under Linux, or the guest BIOS for x86-64.
//
//   node guests/build.mjs [--arch riscv64] [--out FILE]
//   node guests/build.mjs --bench [--arch riscv64] [--out FILE]
//   node guests/build.mjs --bios [--out FILE]
//
// Without --out it replaces prebuilt/ARCH.elf or prebuilt/bios.bin and the copy of it in packages/embedded-guest, or
// with --bench prebuilt/bench-ARCH.elf.
// The same sources and the compiler of toolchain.json give the same bytes, wherever they lie: no path,
// date or debug information enters the file. Uses nothing but Node (20 or newer), clang and lld.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const guests = dirname(fileURLToPath(import.meta.url));

/**
 * What differs between architectures. `float`: flags of the sources that use floating point; `linux`: flags of
 * programs for Linux, as distributions build theirs.
 */
const architectures = {
  riscv64: {
    folder: "riscv",
    flags: ["--target=riscv64-unknown-elf", "-mcmodel=medany", "-mno-relax"],
    integer: ["-mabi=lp64", "-march=rv64imac"],
    float: ["-mabi=lp64", "-march=rv64imafdc"],
    linux: ["-mabi=lp64d", "-march=rv64imafdc"],
  },
  aarch64: {
    folder: "arm",
    flags: ["--target=aarch64-unknown-elf", "-march=armv8-a", "-mno-outline-atomics"],
    integer: ["-mgeneral-regs-only"],
    float: [],
    linux: [],
  },
  x86_64: {
    folder: "x86",
    flags: ["--target=x86_64-unknown-elf", "-march=x86-64"],
    // In the kernel, symbols lie in the last 2 GiB, and interrupts use the stack below its pointer.
    integer: ["-mcmodel=kernel", "-mno-red-zone", "-mgeneral-regs-only"],
    float: ["-mcmodel=kernel", "-mno-red-zone"],
    linux: [],
  },
};

const commonFlags = [
  "-std=gnu2x",
  "-ffreestanding",
  "-nostdlib",
  "-nostdlibinc",
  "-fno-pic",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fno-unwind-tables",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-ident",
  "-fno-math-errno",
  "-Wall",
  "-Wextra",
  "-Werror",
];

/** The kernel is to be small, the programs are there to compute. */
const optimization = (source) => (source.startsWith("apps/") ? "-O2" : "-Os");

/** Compilers fuse multiplication and addition unless told not to: a benchmark should have what programs have. */
const benchFlags = ["-O2", "-ffp-contract=fast"];

/** Sources that use floating point; everything else is built without. */
const usesFloat = (source) => /^float\./.test(basename(source));

/** Names of the architectures that can be built. */
export const architectureNames = Object.keys(architectures);

/** Versions that toolchain.json pins: { clang, lld }. */
export const pinned = JSON.parse(readFileSync(join(guests, "toolchain.json"), "utf8"));

function versionOf(command) {
  try {
    return /\d+\.\d+\.\d+/.exec(execFileSync(command, ["--version"], { encoding: "utf8" }))?.[0];
  } catch {
    return undefined;
  }
}

/** First of the candidates that has the wanted version, or else the first that there is. */
function choose(candidates, wanted) {
  const found = candidates.map((path) => ({ path, version: versionOf(path) })).filter((tool) => tool.version);
  return found.find((tool) => tool.version === wanted) ?? found[0];
}

/**
 * The compiler and linker to use: { clang, lld, exact, reason }. `exact` tells whether they are the pinned
 * ones, so that the result must equal the committed file; `reason` says why not.
 */
export function findToolchain() {
  const major = pinned.clang.split(".")[0];
  const clang = choose([`clang-${major}`, "clang"], pinned.clang);
  const lld = choose([`ld.lld-${major}`, `/usr/lib/llvm-${major}/bin/ld.lld`, "ld.lld"], pinned.lld);
  const have = `clang ${clang?.version ?? "missing"}, lld ${lld?.version ?? "missing"}`;
  const exact = clang?.version === pinned.clang && lld?.version === pinned.lld;
  return {
    clang: clang?.path,
    lld: lld?.path,
    exact,
    reason: exact ? "" : `needs clang ${pinned.clang} and lld ${pinned.lld}, found ${have}`,
  };
}

const sourcesIn = (folder) =>
  readdirSync(join(guests, folder))
    .filter((name) => /\.[cS]$/.test(name))
    .sort()
    .map((name) => `${folder}/${name}`);

/** The programs, with the line each one says about itself. */
function programs() {
  return sourcesIn("apps")
    .filter((source) => source !== "apps/user.c")
    .map((source) => {
      const about = /^\/\/ about: (.*)$/m.exec(readFileSync(join(guests, source), "utf8"))?.[1];
      if (about === undefined) throw new Error(`${source} does not begin with "// about: ..."`);
      return { name: basename(source, ".c"), about, source };
    });
}

/** Assembly that puts the programs and their table (struct app) into the kernel. */
function programTable(list) {
  const lines = [".section .rodata"];
  list.forEach(({ name, about }, i) => {
    lines.push(".balign 8", `file${i}: .incbin "${name}.elf"`, `end${i}:`);
    lines.push(`name${i}: .asciz ${JSON.stringify(name)}`, `about${i}: .asciz ${JSON.stringify(about)}`);
  });
  lines.push(".balign 8", ".global apps", "apps:");
  list.forEach((_, i) => {
    lines.push(`.quad name${i}, about${i}, file${i}, end${i} - file${i}`);
  });
  lines.push(".quad 0, 0, 0, 0", "");
  return lines.join("\n");
}

function targetOf(arch) {
  const target = architectures[arch];
  if (!target) throw new Error(`no guest for "${arch}": have ${architectureNames.join(", ")}`);
  return target;
}

/** A folder for what comes out on the way, and the tools to fill it. */
function workshop(toolchain) {
  if (!toolchain.clang || !toolchain.lld) throw new Error(toolchain.reason);
  const work = mkdtempSync(join(tmpdir(), "guest-"));
  const run = (command, args) =>
    execFileSync(command, args, { cwd: guests, stdio: ["ignore", "inherit", "inherit"] });
  return {
    work,
    run,
    object(source, flags) {
      const output = join(work, `${source.replaceAll("/", "-")}.o`);
      run(toolchain.clang, [...commonFlags, ...flags, "-c", source, "-o", output]);
      return output;
    },
    link(script, objects, output, flags) {
      const fixed = ["-T", script, "--gc-sections", "--build-id=none"];
      run(toolchain.lld, [...fixed, ...flags, ...objects, "-o", output]);
    },
    remove: () => rmSync(work, { recursive: true, force: true }),
  };
}

/**
 * Builds the guest for an architecture and returns the ELF file's bytes. Needs `findToolchain()`'s tools;
 * throws with the compiler's own message when something does not compile.
 */
export function build(arch, toolchain = findToolchain()) {
  const target = targetOf(arch);
  const { work, run, object, link, remove } = workshop(toolchain);
  const compile = (source) => {
    const float = usesFloat(source) ? target.float : target.integer;
    const flags = [...target.flags, ...float, "-ffp-contract=off", optimization(source)];
    return object(source, [...flags, "-Icommon", `-I${target.folder}`]);
  };

  try {
    const library = ["apps/user.c", "common/format.c", "common/string.c"].map(compile);
    const list = programs();
    for (const { name, source } of list) {
      const output = join(work, `${name}.elf`);
      link("apps/user.ld", [compile(source), ...library], output, ["--strip-all", "--nmagic"]);
    }
    writeFileSync(join(work, "programs.S"), programTable(list));

    const objects = [...sourcesIn("common"), ...sourcesIn(target.folder)].map(compile);
    const table = join(work, "programs.o");
    run(toolchain.clang, [
      ...target.flags,
      ...target.integer,
      `-I${work}`,
      "-c",
      join(work, "programs.S"),
      "-o",
      table,
    ]);
    const output = join(work, "kernel.elf");
    const kernelFlags = ["--strip-debug", "--discard-all", "-z", "max-page-size=4096"];
    link(`${target.folder}/kernel.ld`, [...objects, table], output, kernelFlags);
    return readFileSync(output);
  } finally {
    remove();
  }
}

/** Builds the benchmark program, as `build` the guest. */
export function buildBench(arch, toolchain = findToolchain()) {
  const target = targetOf(arch);
  const { work, object, link, remove } = workshop(toolchain);
  const folders = ["common", "compute", "system", target.folder].map((name) => `bench/${name}`);
  const flags = [...target.flags, ...target.linux, ...benchFlags, `-Ibench/${target.folder}`];
  try {
    const objects = folders.flatMap(sourcesIn).map((source) => object(source, flags));
    const output = join(work, "bench.elf");
    link("bench/bench.ld", objects, output, ["--strip-all", "-z", "max-page-size=4096"]);
    return readFileSync(output);
  } finally {
    remove();
  }
}

/** Builds the guest BIOS, a flat image for real mode at 0x8000, as `build` the guest. */
export function buildBios(toolchain = findToolchain()) {
  const { work, object, link, remove } = workshop(toolchain);
  try {
    const output = join(work, "bios.bin");
    const objects = [object("bios/bios.S", ["--target=i386-unknown-elf"])];
    link("bios/bios.ld", objects, output, ["--oformat=binary"]);
    return readFileSync(output);
  } finally {
    remove();
  }
}

/** Where the committed benchmark program of an architecture is. */
export const benchPath = (arch) => join(guests, "prebuilt", `bench-${arch}.elf`);

/** What of a committed image is called the guest BIOS. */
export const BIOS = "bios";

/** Where the committed file of an architecture, or the BIOS, is. */
export const prebuiltPath = (image) =>
  join(guests, "prebuilt", image === BIOS ? `${image}.bin` : `${image}.elf`);

/** Where the package has the same bytes, as source text that browsers and bundlers can load. */
export const modulePath = (image) =>
  join(guests, "..", "packages", "embedded-guest", "src", "images", `${image}.ts`);

/** That source text. */
export function moduleText(image, bytes) {
  const lines = bytes
    .toString("base64")
    .match(/.{1,108}/g)
    .join("\n");
  const origin = `// Made by guests/build.mjs from guests/prebuilt/${basename(prebuiltPath(image))}: the same bytes in base64.`;
  return `${origin}\n\nexport const ${image} = \`\n${lines}\n\`;\n`;
}

function main(args) {
  const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const arch = option("--arch") ?? "riscv64";
  const toolchain = findToolchain();
  if (!toolchain.exact)
    console.error(`warning: ${toolchain.reason}; the bytes will differ from the committed ones`);
  const bench = args.includes("--bench");
  const image = args.includes("--bios") ? BIOS : arch;
  const bytes = bench
    ? buildBench(arch, toolchain)
    : image === BIOS
      ? buildBios(toolchain)
      : build(arch, toolchain);
  const out = resolve(option("--out") ?? (bench ? benchPath(arch) : prebuiltPath(image)));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, bytes);
  if (out === prebuiltPath(image)) writeFileSync(modulePath(image), moduleText(image, bytes));
  console.log(`${out}: ${bytes.length} bytes`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

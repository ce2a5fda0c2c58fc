import type { OptionGroup } from "../command-line/option.js";

/** What is loaded into the machine. */
const IMAGES: OptionGroup = {
  title: "What to run (without any of these: the embedded guest)",
  options: [
    { name: "kernel", argument: "FILE", help: "ELF file, Linux image or flat binary" },
    { name: "initrd", argument: "FILE", help: "initial RAM disk of the kernel" },
    {
      name: "module",
      argument: "FILE[,TEXT]",
      repeat: true,
      help: "x86-64: module of a Multiboot or PVH kernel, and its command line; may be repeated",
    },
    { name: "append", argument: "TEXT", help: "command line of the kernel" },
    {
      name: "bios",
      argument: "FILE",
      help: "firmware, as OpenSBI's fw_jump or fw_dynamic, U-Boot for arm64, or a ROM for x86-64, which --mode vm has, too; implies --mode bare",
    },
    {
      name: "guest-bios",
      argument: "FILE",
      optional: true,
      help: "x86-64: start the kernel as small hypervisors do: flat at 0x200000, entered from real mode by a BIOS at 0x8000; without FILE, by the one that is built in",
    },
    { name: "dtb", argument: "FILE", help: "device tree to use instead of the machine's own" },
    {
      name: "load",
      argument: "FILE@ADDR",
      repeat: true,
      help: "put a file's bytes at a physical address; may be repeated",
    },
    { name: "entry", argument: "ADDR", help: "start here instead of at the image's entry" },
    {
      name: "guest",
      argument: "NAME[,disk]",
      help: "a guest of `hypercraft guests list`, pulled when it is not there: kernel, initrd and command line; with ,disk it has its root on a disk (an overlay)",
    },
  ],
};

/** The machine itself. */
const MACHINE: OptionGroup = {
  title: "The machine",
  options: [
    {
      name: "arch",
      argument: "NAME",
      help: "riscv64, arm64 or x86-64; default: that of --guest, else riscv64",
    },
    {
      name: "mode",
      argument: "vm|bare",
      help: "vm (default): a guest of the hypervisor; bare: the guest has the machine for itself, its highest privilege and its virtualization hardware included",
    },
    { name: "memory", argument: "SIZE", help: "RAM, as 512M (default) or 1G" },
    { name: "cpus", argument: "N", help: "number of CPUs; default 1" },
    {
      name: "disk",
      argument: "FILE[,ro|,overlay]",
      repeat: true,
      help: "virtio disk from a raw image; ,ro forbids writing, ,overlay keeps what is written in memory; may be repeated",
    },
    {
      name: "map",
      argument: "qemu|hchyper",
      help: "where RAM and devices are: as in QEMU's virt machine (default), or, with riscv64, as hcHyper shows them to its guests (RAM at 0x90000000)",
    },
    {
      name: "gic",
      argument: "2|3",
      help: "arm64: version of the interrupt controller; default 2",
    },
    {
      name: "graphics",
      help: "add a display, a keyboard and a mouse, for guests that insist; nothing shows them (always there with a flat kernel image, but with x86-64)",
    },
    {
      name: "virtio",
      argument: "mmio|pci",
      help: "where the virtio devices are, at addresses of their own or on a PCI bus; default: mmio, but with x86-64 for a bzImage or a PVH kernel only",
    },
    {
      name: "virtio-version",
      argument: "1|2",
      help: "register layout of virtio devices outside of PCI, 1 is the legacy one; default: 1 with a flat kernel image (not with x86-64) or the hchyper map, else 2",
    },
    {
      name: "virtio-slots",
      argument: "first|last|both",
      help: "where virtio devices outside of PCI go: from the first transport up, or from the last one down as QEMU's -device does, or so with the first disk at both ends; default: both with a flat kernel image (not with x86-64), else first",
    },
    {
      name: "test-console",
      help: "add a virtio console through which test programs end the run, as QEMU's testdev: 1q gives exit code 3",
    },
    {
      name: "semihosting",
      help: "arm64: answer semihosting calls of the guest's kernel: console, clocks, and the program's end with its exit code",
    },
    {
      name: "deterministic",
      help: "time is made of instructions: the same input gives the same output, to the instruction",
    },
    {
      name: "clock-ratio",
      argument: "N[/M]",
      help: "with --deterministic, N nanoseconds for M instructions; default 10",
    },
    {
      name: "seed",
      argument: "N",
      help: "seed of the machine's random numbers; default 1 with --deterministic, else random",
    },
  ],
};

const DUMP_DTB: OptionGroup = {
  title: "Instead of running",
  options: [
    { name: "dump-dtb", argument: "FILE", help: "write the device tree that the guest would get, and end" },
  ],
};

const SIGNATURE = {
  name: "signature",
  argument: "FILE",
  help: "when the guest has ended, write memory from begin_signature to end_signature, as 32-bit words in hexadecimal",
};

/** How long it runs, and what is told about it. */
const CONTROL: OptionGroup = {
  title: "The run",
  options: [
    { name: "input", argument: "FILE", help: "the guest's console input, instead of standard input" },
    { name: "until", argument: "REGEX", help: "end with code 0 when the console has shown this" },
    { name: "timeout", argument: "SECONDS", help: "end with code 124 after this time" },
    { name: "max-instructions", argument: "N", help: "end with code 124 after exactly N instructions" },
    { name: "no-reboot", help: "end when the guest resets the machine, instead of starting it again" },
    {
      name: "tier",
      argument: "auto|cold|hot",
      help: "how guest code is executed: auto (default) compiles what runs often, cold interprets everything, hot compiles early, for tests; the guest sees no difference",
    },
    {
      name: "stats",
      argument: "json|text",
      optional: true,
      help: "at the end, tell on standard error: instructions, seconds, MIPS, exits by kind, what each tier ran and compiled and in what time, TLB fills",
    },
    {
      name: "trace",
      argument: "exits,insn",
      help: "a line on standard error for each VM exit (exits) or each instruction (insn); slow",
    },
    {
      name: "dump-region",
      argument: "PC[,all][,wat]",
      repeat: true,
      help: "when code that holds this virtual address is compiled, print it: guest assembly, intermediate representation and WebAssembly side by side; with ,all each time that happens, with ,wat as a WebAssembly module's text, too (by the npm package wabt); may be repeated, several addresses have commas between them",
    },
    {
      name: "dump-file",
      argument: "FILE",
      help: "where --dump-region prints, instead of standard error",
    },
    {
      name: "snapshot-at",
      argument: "N|REGEX",
      help: "save a snapshot after N instructions, or when the console has shown this, and go on",
    },
    {
      name: "snapshot-to",
      argument: "FILE",
      help: "where snapshots go: that of --snapshot-at, and those of Ctrl-A s",
    },
  ],
};

/** Machines side by side. */
const SEVERAL: OptionGroup = {
  title: "Several machines",
  options: [
    {
      name: "and",
      commandLineOnly: true,
      help: "what follows is another machine, with options of its own; all run side by side in one process",
    },
    {
      name: "name",
      argument: "NAME",
      help: "what the machine is called, in front of its lines; default: after what it runs",
    },
  ],
};

/** Options of `hypercraft run`, which are the keys of its configuration file as well. */
export const RUN_OPTIONS: readonly OptionGroup[] = [
  IMAGES,
  MACHINE,
  { ...CONTROL, options: [...CONTROL.options, SIGNATURE] },
  DUMP_DTB,
  SEVERAL,
];

const without = (group: OptionGroup, ...names: string[]): OptionGroup => ({
  ...group,
  options: group.options.filter(({ name }) => !names.includes(name)),
});

/** Options of `hypercraft snapshot resume`: the machine is what it was. */
export const RESUME_OPTIONS: readonly OptionGroup[] = [
  { title: "The machine", options: MACHINE.options.filter(({ name }) => name === "disk") },
  CONTROL,
];

/** Options of `hypercraft snapshot save`: those of a run, with the point to save at as `--at`. */
export const SAVE_OPTIONS: readonly OptionGroup[] = [
  {
    title: "The snapshot",
    options: [
      {
        name: "at",
        argument: "N|REGEX",
        commandLineOnly: true,
        help: "after N instructions, or when the console has shown this",
      },
    ],
  },
  IMAGES,
  MACHINE,
  without(CONTROL, "snapshot-at", "snapshot-to", "until"),
];

/** Options of `hypercraft demo`. */
export const DEMO_OPTIONS: readonly OptionGroup[] = [
  {
    title: "Options",
    options: [MACHINE, CONTROL]
      .flatMap(({ options }) => options)
      .filter(({ name }) =>
        ["arch", "cpus", "memory", "deterministic", "timeout", "tier", "stats"].includes(name),
      ),
  },
];

#!/usr/bin/env node
// Kept in syntax that old Node versions parse, so that they get one clear line and not a stack trace.
const needed = 24;
if (Number(process.versions.node.split(".")[0]) < needed) {
  console.error("hypercraft needs Node " + needed + " or newer; this is Node " + process.versions.node + ".");
  process.exit(2);
}
await import("../dist/index.js");

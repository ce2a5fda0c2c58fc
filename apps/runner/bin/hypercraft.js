#!/usr/bin/env node
// Only what old Node versions parse, so that they get one clear line and not a stack trace.
const needed = 24;
if (Number(process.versions.node.split(".")[0]) < needed) {
  console.error(`hypercraft needs Node ${needed} or newer; this is Node ${process.versions.node}.`);
  process.exit(2);
}
import("../dist/index.js");

// @hubspot/api-client, HubSpot's own for Node, asked as runner.py asks the others.
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

// Installed beside the cache, not beside this file.
const require = createRequire(join(process.cwd(), "package.json"));
const { Client } = require("@hubspot/api-client");

// It tells of every retry, where only our lines are expected.
for (const way of ["log", "info", "warn", "error"]) console[way] = () => {};

const [retries, limiter] = process.argv.slice(2);

async function link({ base_url, first_id, count, concurrency }) {
  const options = { accessToken: "simulated-token", basePath: base_url };
  if (retries !== "0") options.numberOfApiCallRetries = Number(retries);
  if (limiter === "documented") {
    // Its README: 9 calls a second for private apps, at most 6 at once.
    options.limiterOptions = { minTime: 1000 / 9, maxConcurrent: 6, id: "hubspot-client-limiter" };
  } else {
    options.limiterOptions = { maxConcurrent: concurrency, id: "none" };
  }
  const api = new Client(options).crm.associations.v4.basicApi;
  let next = first_id;
  let linked = 0;
  async function work() {
    while (next < first_id + count) {
      const id = String(next++);
      try {
        await api.createDefault("contacts", id, "companies", id);
        linked += 1;
      } catch {
        // counted as failed
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work));
  return linked;
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const wall = performance.now();
  const cpu = process.cpuUsage();
  const linked = await link(job);
  const { user, system } = process.cpuUsage(cpu);
  const told = {
    linked,
    failed: job.count - linked,
    cpu_seconds: (user + system) / 1e6,
    wall_seconds: (performance.now() - wall) / 1e3,
  };
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

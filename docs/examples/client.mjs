// Enqueue a job and wait for its end, with nothing but Node 18 or newer.
// Wants CELERIAC_URL, CLIENT_ID and CLIENT_SECRET; KIND is one of yours and ARGS its arguments as
// JSON: GET kinds/ lists what there is. KEY stands for what the job is about: the same one makes no
// second job.
import { setTimeout as sleep } from "node:timers/promises";

const { CELERIAC_URL, CLIENT_ID, CLIENT_SECRET, KEY = "order-1003" } = process.env;
const { KIND: kind = "maintenance.prune", ARGS: args = "{}" } = process.env;
const ENDED = new Set(["succeeded", "dead", "cancelled"]);

async function call(path, { body, token, headers = {} } = {}) {
  const answer = await fetch(`${CELERIAC_URL}/api/v1/${path}`, {
    method: body ? "POST" : "GET",
    headers: {
      ...(body && { "Content-Type": "application/json" }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: body && JSON.stringify(body),
  });
  if (answer.status === 304) return null;
  const content = await answer.json();
  if (!answer.ok) throw new Error(`${content.title}: ${content.detail}`);
  return { ...content, etag: answer.headers.get("ETag") };
}

const { access: token } = await call("token/", {
  body: { client_id: CLIENT_ID, client_secret: CLIENT_SECRET },
});

// The same key again, after a timeout say, returns the same job.
let job = await call("jobs/", {
  token,
  headers: { "Idempotency-Key": KEY },
  body: { kind, args: JSON.parse(args) },
});

// Polling is cheap: 304 while the job has not changed.
while (!ENDED.has(job.state)) {
  await sleep(200);
  const headers = job.etag ? { "If-None-Match": job.etag } : {};
  job = (await call(`jobs/${job.id}/`, { token, headers })) ?? job;
}
console.log(job.id, job.state);

/** A running emulator. */
export class Emulator {
  /** The addresses and connection strings that the program has printed. */
  readonly ready: Record<string, string | null>;
  /** The connection string, with an HTTPS endpoint. */
  readonly connectionString: string;
  /** The file of the CA certificate. */
  readonly caFile: string;
  /** Sends a request to the admin interface: POST if there is a body, otherwise GET. */
  admin(path: string, body?: unknown): Promise<any>;
  /** The calls, recordings and subscriptions. */
  state(): Promise<any>;
  /** Moves the clock of the service. */
  advance(ms: number): Promise<{ now: string }>;
  /** Calls the application, and returns what the event IncomingCall contains. */
  ring(caller: string): Promise<{ incomingCallContext: string; serverCallId: string }>;
  /** Subscribes a webhook to Event Grid events: to these types, or to all. */
  subscribe(url: string, events?: string[], schema?: "event-grid" | "cloud-events"): Promise<unknown>;
  /** The variables that clients in this process and its children need. */
  environment(): Record<string, string>;
}

/** Starts an emulator at free ports. `options` are those of the program. */
export function start(options?: string[]): Promise<Emulator & { stop(): Promise<void> }>;

/** The emulator of this test run, which a global set-up or `acs-emulator exec` has started. */
export function running(): Emulator;

/** Makes this process trust the emulator, and resolve the host of content to it. */
export function trust(caFile: string): void;

/** The path of the program. */
export function program(): string;

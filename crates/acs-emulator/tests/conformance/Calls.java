// A complete recorded call with the unmodified official Java SDK.
//
// ACS_READY is the emulator's ready line, and ACS_SCHEMA the schema of the events. The caller sets
// the trust store, and a hosts file that resolves the hosts of content to loopback.

import com.azure.communication.callautomation.CallAutomationClient;
import com.azure.communication.callautomation.CallAutomationClientBuilder;
import com.azure.communication.callautomation.CallAutomationEventParser;
import com.azure.communication.callautomation.CallRecording;
import com.azure.communication.callautomation.models.CallConnectionState;
import com.azure.communication.callautomation.models.CallInvite;
import com.azure.communication.callautomation.models.CallLocator;
import com.azure.communication.callautomation.models.ChannelAffinity;
import com.azure.communication.callautomation.models.CreateCallOptions;
import com.azure.communication.callautomation.models.GroupCallLocator;
import com.azure.communication.callautomation.models.RecordingChannel;
import com.azure.communication.callautomation.models.RecordingContent;
import com.azure.communication.callautomation.models.RecordingFormat;
import com.azure.communication.callautomation.models.RecordingState;
import com.azure.communication.callautomation.models.ServerCallLocator;
import com.azure.communication.callautomation.models.StartRecordingOptions;
import com.azure.communication.callautomation.models.events.CallAutomationEventBase;
import com.azure.communication.callautomation.models.events.CallConnected;
import com.azure.communication.callautomation.models.events.CallDisconnected;
import com.azure.communication.callautomation.models.events.AddParticipantSucceeded;
import com.azure.communication.callautomation.models.events.ParticipantsUpdated;
import com.azure.communication.callautomation.models.events.RecordingStateChanged;
import com.azure.communication.callautomation.models.events.RemoveParticipantSucceeded;
import com.azure.communication.common.CommunicationUserIdentifier;
import com.azure.core.exception.HttpResponseException;
import com.azure.core.http.HttpRange;
import com.azure.core.http.policy.HttpPipelinePolicy;
import com.azure.core.models.CloudEvent;
import com.azure.core.util.BinaryData;
import com.azure.core.util.Context;
import com.azure.messaging.eventgrid.EventGridEvent;
import com.azure.messaging.eventgrid.systemevents.AcsIncomingCallEventData;
import com.azure.messaging.eventgrid.systemevents.AcsRecordingFileStatusUpdatedEventData;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;

public class Calls {
    static final ObjectMapper JSON = new ObjectMapper();
    static final String SCHEMA = System.getenv("ACS_SCHEMA");
    static final CommunicationUserIdentifier ALICE =
        new CommunicationUserIdentifier("8:acs:conformance_alice");
    static final CommunicationUserIdentifier BOB =
        new CommunicationUserIdentifier("8:acs:conformance_bob");

    record Delivery(String path, String body, String authorization) {}

    static final List<Delivery> inbox = new ArrayList<>();
    static final AtomicInteger requests = new AtomicInteger();
    static int events;
    static int flows;
    static JsonNode ready;
    static String base;
    static CallAutomationClient client;
    static CallRecording recordings;

    static void check(boolean holds, Object shown) {
        if (!holds) throw new AssertionError(shown);
    }

    static void expect(Object expected, Object found) {
        check(expected.equals(found), "expected " + expected + ", found " + found);
    }

    static void receive(HttpExchange exchange) throws IOException {
        var headers = exchange.getRequestHeaders();
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        byte[] response = {};
        if (exchange.getRequestMethod().equals("OPTIONS")) {
            String origin = headers.getFirst("WebHook-Request-Origin");
            exchange.getResponseHeaders().set("WebHook-Allowed-Origin", origin);
        } else if ("SubscriptionValidation".equals(headers.getFirst("aeg-event-type"))) {
            String code = JSON.readTree(body).at("/0/data/validationCode").asText();
            response = JSON.writeValueAsBytes(Map.of("validationResponse", code));
        } else {
            String path = exchange.getRequestURI().getPath();
            synchronized (inbox) {
                inbox.add(new Delivery(path, body, headers.getFirst("Authorization")));
                inbox.notifyAll();
            }
        }
        exchange.sendResponseHeaders(200, response.length == 0 ? -1 : response.length);
        exchange.getResponseBody().write(response);
        exchange.close();
    }

    static Delivery take(String what, Predicate<Delivery> matches) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        synchronized (inbox) {
            for (;;) {
                for (Delivery delivery : inbox) {
                    if (matches.test(delivery)) {
                        inbox.remove(delivery);
                        events++;
                        return delivery;
                    }
                }
                long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
                check(left > 0, what + " did not arrive; received " + inbox);
                inbox.wait(left);
            }
        }
    }

    static void admin(String path, Object body) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(ready.get("admin").asText() + "/" + path))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(JSON.writeValueAsBytes(body)))
            .build();
        var response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        check(response.statusCode() == 200, response.body());
    }

    static void advance(int milliseconds) throws IOException, InterruptedException {
        admin("clock:advance", Map.of("ms", milliseconds));
    }

    /** The next callback of this type, as the SDK reads it. */
    static <T extends CallAutomationEventBase> T callback(Class<T> kind, String path)
        throws InterruptedException {
        String type = "." + kind.getSimpleName() + "\"";
        Delivery delivery =
            take(type, one -> one.path.equals(path) && one.body.contains(type));
        check(delivery.authorization.startsWith("Bearer ey"), delivery.authorization);
        return kind.cast(CallAutomationEventParser.parseEvents(delivery.body).get(0));
    }

    static <T extends CallAutomationEventBase> T callback(Class<T> kind)
        throws InterruptedException {
        return callback(kind, "/callbacks");
    }

    /** The data of the next Event Grid event of this type, as the SDK reads it. */
    static <T> T event(String type, Class<T> data) throws InterruptedException {
        Delivery delivery =
            take(type, one -> one.path.equals("/events") && one.body.contains(type));
        BinaryData read = SCHEMA.equals("cloud-events")
            ? CloudEvent.fromString(delivery.body).get(0).getData()
            : EventGridEvent.fromString(delivery.body).get(0).getData();
        return read.toObject(data);
    }

    static HttpResponseException refused(int status, Runnable action) {
        try {
            action.run();
        } catch (HttpResponseException error) {
            expect(status, error.getResponse().getStatusCode());
            return error;
        }
        throw new AssertionError("the request was not refused");
    }

    static byte[] download(String location, HttpRange range) {
        var out = new ByteArrayOutputStream();
        recordings.downloadTo(location, out, range, Context.NONE);
        return out.toByteArray();
    }

    /** Stops a recording and checks its files. */
    static void harvest(
        String recording, String channel, String format, Map<String, Integer> channels)
        throws Exception {
        recordings.stop(recording);
        var gone = refused(404, () -> recordings.getState(recording));
        check(gone.getMessage().contains("8522"), gone.getMessage());
        advance(500);
        var data = event(
            "Microsoft.Communication.RecordingFileStatusUpdated",
            AcsRecordingFileStatusUpdatedEventData.class);
        expect(channel, data.getRecordingChannelType().toString());
        expect(format, data.getRecordingFormatType().toString());
        check(data.getRecordingDuration().toMillis() >= 1000, data.getRecordingDuration());
        var chunk = data.getRecordingStorageInfo().getRecordingChunks().get(0);

        byte[] media = download(chunk.getContentLocation(), null);
        switch (format) {
            case "Wav" -> expect("RIFF", new String(media, 0, 4, StandardCharsets.US_ASCII));
            case "Mp4" -> expect("ftyp", new String(media, 4, 4, StandardCharsets.US_ASCII));
            default -> expect((byte) 0xff, media[0]);
        }
        byte[] part = download(chunk.getContentLocation(), new HttpRange(4, 8L));
        check(Arrays.equals(part, Arrays.copyOfRange(media, 4, 12)), Arrays.toString(part));
        Path file = Files.createTempDirectory("acs-conformance").resolve("media");
        recordings.downloadTo(chunk.getContentLocation(), file);
        check(Arrays.equals(media, Files.readAllBytes(file)), "the file differs");
        Files.delete(file);
        Files.delete(file.getParent());

        JsonNode metadata = JSON.readTree(download(chunk.getMetadataLocation(), null));
        expect(chunk.getDocumentId(), metadata.get("chunkDocumentId").asText());
        if (channels != null) {
            Map<String, Integer> found = new HashMap<>();
            for (JsonNode one : metadata.get("participants")) {
                found.put(one.get("participantId").asText(), one.get("channel").asInt());
            }
            expect(channels, found);
        }
        recordings.delete(chunk.getDeleteLocation());
        // This version reports the status and throws no exception.
        var again = recordings.deleteWithResponse(chunk.getDeleteLocation(), Context.NONE);
        expect(404, again.getStatusCode());
    }

    static String start(CallLocator locator, RecordingFormat format, RecordingContent content) {
        var options = new StartRecordingOptions(locator)
            .setRecordingFormat(format)
            .setRecordingContent(content)
            .setRecordingChannel(RecordingChannel.MIXED);
        return recordings.start(options).getRecordingId();
    }

    static RecordingState changed() throws InterruptedException {
        return callback(RecordingStateChanged.class, "/state").getRecordingState();
    }

    /** Creates a call and performs all operations on a recording of it. */
    static void createdCall() throws Exception {
        flows++;
        var options = new CreateCallOptions(new CallInvite(ALICE), base + "/callbacks")
            .setOperationContext("created");
        var created = client.createCallWithResponse(options, Context.NONE).getValue();
        String id = created.getCallConnectionProperties().getCallConnectionId();
        var connected = callback(CallConnected.class);
        expect(id, connected.getCallConnectionId());
        expect("created", connected.getOperationContext());
        var people = callback(ParticipantsUpdated.class).getParticipants();
        expect(ALICE.getRawId(), people.get(0).getIdentifier().getRawId());

        var connection = client.getCallConnection(id);
        connection.addParticipant(new CallInvite(BOB));
        callback(AddParticipantSucceeded.class);
        expect(2L, connection.listParticipants().stream().count());
        expect(BOB, connection.getParticipant(BOB).getIdentifier());
        var properties = connection.getCallProperties();
        expect(CallConnectionState.CONNECTED, properties.getCallConnectionState());

        var affinity = new ChannelAffinity().setParticipant(BOB).setChannel(0);
        var started = recordings.start(
            new StartRecordingOptions(new ServerCallLocator(properties.getServerCallId()))
                .setRecordingContent(RecordingContent.AUDIO)
                .setRecordingChannel(RecordingChannel.UNMIXED)
                .setRecordingFormat(RecordingFormat.WAV)
                .setChannelAffinity(List.of(affinity))
                .setAudioChannelParticipantOrdering(List.of(ALICE))
                .setRecordingStateCallbackUrl(base + "/state"));
        expect(RecordingState.INACTIVE, started.getRecordingState());
        String recording = started.getRecordingId();
        expect(RecordingState.INACTIVE, changed());
        advance(200);
        expect(RecordingState.ACTIVE, changed());
        expect(RecordingState.ACTIVE, recordings.getState(recording).getRecordingState());
        advance(1000);
        recordings.pause(recording);
        expect(RecordingState.INACTIVE, changed());
        expect(RecordingState.INACTIVE, recordings.getState(recording).getRecordingState());
        recordings.resume(recording);
        expect(RecordingState.ACTIVE, changed());
        harvest(recording, "Unmixed", "Wav", Map.of(ALICE.getRawId(), 1, BOB.getRawId(), 0));

        connection.removeParticipant(BOB);
        callback(RemoveParticipantSucceeded.class);
        connection.hangUp(true);
        callback(CallDisconnected.class);
        refused(404, connection::getCallProperties);
    }

    /** Answers an incoming call, and records it. */
    static void incomingCall() throws Exception {
        flows++;
        admin("calls:ring", Map.of("caller", "carol"));
        var incoming =
            event("Microsoft.Communication.IncomingCall", AcsIncomingCallEventData.class);
        var answered = client.answerCall(incoming.getIncomingCallContext(), base + "/callbacks");
        String id = answered.getCallConnectionProperties().getCallConnectionId();
        String serverCallId = answered.getCallConnectionProperties().getServerCallId();
        expect(incoming.getServerCallId(), serverCallId);
        callback(CallConnected.class);
        var locator = new ServerCallLocator(serverCallId);
        String recording = start(locator, RecordingFormat.WAV, RecordingContent.AUDIO);
        advance(1500);
        harvest(recording, "Mixed", "Wav", null);
        client.getCallConnection(id).hangUp(false);
        callback(CallDisconnected.class);
    }

    /** Records a group call in the remaining formats. This version has no locator for rooms. */
    static void groupCall(RecordingFormat format, RecordingContent content, String shown)
        throws Exception {
        flows++;
        var locator = new GroupCallLocator(System.getenv("ACS_GROUP"));
        String recording = start(locator, format, content);
        advance(1500);
        harvest(recording, "Mixed", shown, null);
    }

    /** Requests that the service refuses. */
    static void refusedRequests() {
        flows++;
        var nonsense = new StartRecordingOptions(new ServerCallLocator("nonsense"));
        var error = refused(400, () -> recordings.start(nonsense));
        check(error.getMessage().contains("8527"), error.getMessage());
        String text = ready.get("https_connection_string").asText();
        String key = Base64.getEncoder().encodeToString("another key".getBytes());
        var stranger = build(text.replaceAll("accesskey=.*", "accesskey=" + key));
        refused(401, () -> stranger.getCallRecording().getState("unknown"));
    }

    static CallAutomationClient build(String connectionString) {
        HttpPipelinePolicy counter = (context, next) -> {
            requests.incrementAndGet();
            return next.process();
        };
        return new CallAutomationClientBuilder()
            .connectionString(connectionString)
            .addPolicy(counter)
            .buildClient();
    }

    public static void main(String[] args) {
        try {
            run();
            System.exit(0);
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    static void run() throws Exception {
        ready = JSON.readTree(System.getenv("ACS_READY"));
        var webhook = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        webhook.setExecutor(Executors.newCachedThreadPool());
        webhook.createContext("/", Calls::receive);
        webhook.start();
        base = "http://127.0.0.1:" + webhook.getAddress().getPort();
        admin("subscriptions", Map.of(
            "url", base + "/events",
            "schema", SCHEMA,
            "events", List.of(
                "Microsoft.Communication.RecordingFileStatusUpdated",
                "Microsoft.Communication.IncomingCall")));
        client = build(ready.get("https_connection_string").asText());
        recordings = client.getCallRecording();

        createdCall();
        incomingCall();
        groupCall(RecordingFormat.MP3, RecordingContent.AUDIO, "Mp3");
        groupCall(RecordingFormat.MP4, RecordingContent.AUDIO_VIDEO, "Mp4");
        refusedRequests();

        System.out.println("conformance: ok " + JSON.writeValueAsString(
            Map.of("flows", flows, "requests", requests.get(), "events", events)));
    }
}

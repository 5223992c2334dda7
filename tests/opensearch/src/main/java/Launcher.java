import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.codelibs.opensearch.runner.OpenSearchRunner;
import org.opensearch.http.HttpServerTransport;

/**
 * One node of OpenSearch on loopback, for tests. Arguments: a folder of its own, and the port, 0 for a free one. The port
 * that it listens on is written to the file `port` in that folder once the node is ready.
 */
public final class Launcher {
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path folder = Path.of(arguments[0]);
        String port = arguments[1];
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", port);
            settings.put("transport.port", "0");
            settings.put("http.cors.enabled", false);
            // a test must not depend on how full the disk is
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
            settings.put("action.auto_create_index", "false");
            settings.put("node.processors", 2);
        }).build(OpenSearchRunner.newConfigs()
            .basePath(folder.resolve("node").toString())
            .clusterName("portcullis-tests")
            .disableESLogger()
            .numOfNode(1));
        runner.ensureYellow();
        HttpServerTransport http = runner.getInstance(HttpServerTransport.class);
        Path told = folder.resolve("port.part");
        Files.writeString(told, Integer.toString(http.boundAddress().publishAddress().getPort()));
        Files.move(told, folder.resolve("port"), StandardCopyOption.ATOMIC_MOVE);
        Thread.currentThread().join();
    }
}

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/** Named checks with one line of output each, as in suites/checks.py. */
final class Checks {
    interface Check {
        void run() throws Exception;
    }

    private final Map<String, Check> all = new LinkedHashMap<>();
    private final List<String> only = new ArrayList<>();

    void add(String name, Check check) {
        all.put(name, check);
    }

    void only(String name) {
        only.add(name);
    }

    int run(long seconds) {
        int failed = 0;
        ExecutorService thread = Executors.newCachedThreadPool(r -> {
            Thread t = new Thread(r);
            t.setDaemon(true);
            return t;
        });
        for (Map.Entry<String, Check> entry : all.entrySet()) {
            if (!only.isEmpty() && !only.contains(entry.getKey())) {
                continue;
            }
            Future<?> done = thread.submit(() -> {
                entry.getValue().run();
                return null;
            });
            try {
                done.get(seconds, TimeUnit.SECONDS);
                System.out.println("ok " + entry.getKey());
            } catch (TimeoutException late) {
                failed++;
                System.out.println("FAIL " + entry.getKey() + ": took longer than a check may");
            } catch (Exception error) {
                failed++;
                Throwable cause = error.getCause() == null ? error : error.getCause();
                System.out.println("FAIL " + entry.getKey() + ": "
                    + String.valueOf(cause).replaceAll("\\s+", " "));
                if (System.getenv("CHECKS_TRACE") != null) {
                    cause.printStackTrace();
                }
            }
            System.out.flush();
        }
        return failed == 0 ? 0 : 1;
    }

    static void need(boolean condition, String why) {
        if (!condition) {
            throw new AssertionError(why);
        }
    }

    static void same(Object got, Object want, String what) {
        if (!Objects.deepEquals(got, want)) {
            throw new AssertionError(what + " is " + shown(got) + ", should be " + shown(want));
        }
    }

    private static String shown(Object value) {
        String text = String.valueOf(value);
        return text.length() <= 300 ? text : text.substring(0, 300) + "...";
    }

    static void until(String what, BooleanSupplier question) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
        while (!question.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within 40 s: " + what);
            }
            Thread.sleep(50);
        }
    }
}

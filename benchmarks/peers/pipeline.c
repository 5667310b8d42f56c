/* What a C programmer with DPDK would write for the same frames: parse, look the destination MAC up, hash, take the
 * processor from the indirection table, count.
 *
 * usage: pipeline WORKLOAD, with commands on standard input and one JSON line for each on standard output:
 *   methods                          the hash methods of this build on this CPU
 *   pipeline METHOD PASSES           all frames, PASSES times
 *   toeplitz METHOD BYTES PASSES     the first BYTES bytes of all tuples, PASSES times
 * METHOD is softrss (rte_softrss_be), gfni (rte_thash_gfni) or byte_tables (36 tables of 256 words).
 *
 * Frames: Ethernet II, perhaps one 802.1Q tag, IPv4 with TCP or UDP. Everything else has no hash and goes to the first
 * entry of the table. Frames go in bursts, as from rte_eth_rx_burst, and the next burst is prefetched. The look-up is
 * rte_hash_lookup_bulk_data. Written are the hash value and the processor of each frame.
 *
 * benchmarks/peers/dpdk.py writes WORKLOAD and compares checksum and counts with the model's. Little-endian machines.
 */

#define ALLOW_EXPERIMENTAL_API /* rte_thash_gfni */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_byteorder.h>
#include <rte_cpuflags.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_thash.h>
#include <rte_thash_gfni.h>

#define KEY_BYTES 40
#define TUPLE_BYTES 36
#define BURST 32
#define PROCESSORS_MAX 256

struct header {
	char magic[8]; /* "vmmq-wl1" */
	uint32_t frames, stride, macs, targets, entries, tuples;
	uint8_t key[KEY_BYTES];
};

struct mac {
	uint64_t address; /* the 6 octets in the low bytes, as they lie in a frame */
	uint64_t target;
};

static struct header header;
static const uint8_t *frames, *tuples;
static const uint16_t *tables; /* (targets, entries) processors; target 0 takes what no address matches */
static struct rte_hash *addresses;
static uint8_t converted_key[KEY_BYTES];
static uint64_t matrices[KEY_BYTES * 8];
static uint32_t byte_tables[TUPLE_BYTES][256];
static uint32_t *hash_values;
static uint16_t *processors;

typedef uint32_t (*hash_function)(const uint8_t *tuple, uint32_t bytes);

static __rte_always_inline uint32_t hash_softrss(const uint8_t *tuple, uint32_t bytes)
{
	uint32_t words[TUPLE_BYTES / 4];
	for (uint32_t i = 0; i < bytes / 4; i++) {
		uint32_t word;
		memcpy(&word, tuple + 4 * i, 4);
		words[i] = rte_be_to_cpu_32(word);
	}
	return rte_softrss_be(words, bytes / 4, converted_key);
}

static __rte_always_inline uint32_t hash_gfni(const uint8_t *tuple, uint32_t bytes)
{
#ifdef RTE_THASH_GFNI_DEFINED
	return rte_thash_gfni(matrices, tuple, (int)bytes);
#else
	(void)tuple, (void)bytes, (void)matrices;
	abort(); /* methods() does not offer it */
#endif
}

static __rte_always_inline uint32_t hash_byte_tables(const uint8_t *tuple, uint32_t bytes)
{
	uint32_t value = 0;
	for (uint32_t i = 0; i < bytes; i++)
		value ^= byte_tables[i][tuple[i]];
	return value;
}

/* The tuple to hash lies in the frame as it is: source and destination address, then the ports behind the options. */
static __rte_always_inline void steer(hash_function hash)
{
	const uint32_t mask = header.entries - 1;
	for (uint32_t first = 0; first < header.frames; first += BURST) {
		const uint32_t count = RTE_MIN((uint32_t)BURST, header.frames - first);
		uint64_t keys[BURST], hits;
		const void *key_pointers[BURST];
		void *targets[BURST];
		uint32_t values[BURST];

		for (uint32_t i = 0; i < count; i++) {
			const uint8_t *frame = frames + (uint64_t)(first + i) * header.stride;
			rte_prefetch0(frame + (uint64_t)BURST * header.stride);
			keys[i] = 0;
			memcpy(&keys[i], frame, RTE_ETHER_ADDR_LEN);
			key_pointers[i] = &keys[i];

			const uint8_t *l3 = frame + sizeof(struct rte_ether_hdr);
			uint16_t type;
			memcpy(&type, frame + 12, 2);
			if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN)) {
				memcpy(&type, frame + 16, 2);
				l3 += sizeof(struct rte_vlan_hdr);
			}
			const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
			values[i] = 0;
			if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) {
				uint8_t tuple[12];
				memcpy(tuple, l3 + 12, 8);
				const int ports = (ip->next_proto_id == IPPROTO_TCP || ip->next_proto_id == IPPROTO_UDP) &&
					!(ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK));
				if (ports) {
					memcpy(tuple + 8, l3 + rte_ipv4_hdr_len(ip), 4);
					values[i] = hash(tuple, 12);
				} else {
					values[i] = hash(tuple, 8);
				}
			}
		}
		rte_hash_lookup_bulk_data(addresses, key_pointers, count, &hits, targets);
		for (uint32_t i = 0; i < count; i++) {
			const uint64_t target = hits >> i & 1 ? (uintptr_t)targets[i] : 0;
			hash_values[first + i] = values[i];
			processors[first + i] = tables[target * header.entries + (values[i] & mask)];
		}
	}
}

static __rte_always_inline void hash_tuples(hash_function hash, const uint8_t *data, uint32_t bytes)
{
	for (uint32_t i = 0; i < header.tuples; i++)
		hash_values[i] = hash(data + (uint64_t)i * bytes, bytes);
}

/* The length is a constant of each loop, as it is for whoever hashes one kind of tuple. */
static __rte_always_inline void hash_tuples_of(hash_function hash, const uint8_t *data, uint32_t bytes)
{
	switch (bytes) {
	case 8: hash_tuples(hash, data, 8); break;
	case 12: hash_tuples(hash, data, 12); break;
	case 32: hash_tuples(hash, data, 32); break;
	case 36: hash_tuples(hash, data, 36); break;
	}
}

static __attribute__((noinline)) void steer_softrss(void) { steer(hash_softrss); }
static __attribute__((noinline)) void steer_gfni(void) { steer(hash_gfni); }
static __attribute__((noinline)) void steer_byte_tables(void) { steer(hash_byte_tables); }
static __attribute__((noinline)) void tuples_softrss(const uint8_t *data, uint32_t n) { hash_tuples_of(hash_softrss, data, n); }
static __attribute__((noinline)) void tuples_gfni(const uint8_t *data, uint32_t n) { hash_tuples_of(hash_gfni, data, n); }
static __attribute__((noinline)) void tuples_byte_tables(const uint8_t *data, uint32_t n) { hash_tuples_of(hash_byte_tables, data, n); }

static const struct method {
	const char *name;
	void (*steer)(void);
	void (*hash_tuples)(const uint8_t *data, uint32_t bytes);
} all_methods[] = {
	{"softrss", steer_softrss, tuples_softrss},
	{"byte_tables", steer_byte_tables, tuples_byte_tables},
	{"gfni", steer_gfni, tuples_gfni},
};

/* Not rte_thash_gfni_supported(): that tells for what CPU the library was built, which for Debian's is one without. The
 * hash itself is inline, and built here. */
static int has_gfni(void)
{
#ifdef RTE_THASH_GFNI_DEFINED
	return rte_cpu_get_flag_enabled(RTE_CPUFLAG_GFNI) > 0 && rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512F) > 0;
#else
	return 0;
#endif
}

static const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(all_methods); i++)
		if (!strcmp(all_methods[i].name, name) && (strcmp(name, "gfni") || has_gfni()))
			return &all_methods[i];
	return NULL;
}

static double processor_seconds(void)
{
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static uint64_t checksum(uint32_t count)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < count; i++)
		sum += hash_values[i];
	return sum;
}

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void *read_workload(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file || fread(&header, sizeof header, 1, file) != 1 || memcmp(header.magic, "vmmq-wl1", 8))
		fail("no workload");
	const size_t macs = header.macs * sizeof(struct mac), table_bytes = (size_t)header.targets * header.entries * 2;
	const size_t frame_bytes = (size_t)header.frames * header.stride, tuple_bytes = (size_t)header.tuples * TUPLE_BYTES;
	const size_t size = macs + table_bytes + frame_bytes + tuple_bytes;
	uint8_t *data = malloc(size + 64); /* a prefetch or a wide load may look beyond the last frame */
	if (!data || fread(data, 1, size, file) != size)
		fail("the workload is cut off");
	fclose(file);
	tables = (const uint16_t *)(data + macs);
	frames = data + macs + table_bytes;
	tuples = frames + frame_bytes;
	return data;
}

static void prepare(const struct mac *macs)
{
	struct rte_hash_parameters parameters = {
		.name = "addresses", .entries = RTE_MAX(64u, header.macs), .key_len = 8, .hash_func = rte_hash_crc,
	};
	addresses = rte_hash_create(&parameters);
	if (!addresses)
		fail("rte_hash_create failed");
	for (uint32_t i = 0; i < header.macs; i++)
		if (rte_hash_add_key_data(addresses, &macs[i].address, (void *)(uintptr_t)macs[i].target))
			fail("rte_hash_add_key_data failed");

	rte_convert_rss_key((const uint32_t *)header.key, (uint32_t *)converted_key, KEY_BYTES);
	rte_thash_complete_matrix(matrices, header.key, KEY_BYTES);
	for (uint32_t position = 0; position < TUPLE_BYTES; position++)
		for (uint32_t value = 0; value < 256; value++) {
			uint8_t tuple[TUPLE_BYTES] = {0};
			tuple[position] = (uint8_t)value;
			byte_tables[position][value] = hash_softrss(tuple, TUPLE_BYTES);
		}
	const uint32_t rows = RTE_MAX(header.frames, header.tuples);
	hash_values = calloc(rows, sizeof *hash_values);
	processors = calloc(rows, sizeof *processors);
}

static void answer_pipeline(const struct method *method, uint32_t passes)
{
	const double started = processor_seconds();
	for (uint32_t pass = 0; pass < passes; pass++)
		method->steer();
	const double seconds = processor_seconds() - started;
	uint64_t counts[PROCESSORS_MAX] = {0};
	for (uint32_t i = 0; i < header.frames; i++)
		counts[processors[i] % PROCESSORS_MAX]++;
	printf("{\"seconds\": %.9f, \"checksum\": %" PRIu64 ", \"counts\": [", seconds, checksum(header.frames));
	for (int i = 0; i < PROCESSORS_MAX; i++)
		printf("%s%" PRIu64, i ? ", " : "", counts[i]);
	printf("]}\n");
}

static void answer_toeplitz(const struct method *method, uint32_t bytes, uint32_t passes)
{
	uint8_t *data = malloc((size_t)header.tuples * bytes + 64);
	for (uint32_t i = 0; i < header.tuples; i++)
		memcpy(data + (size_t)i * bytes, tuples + (size_t)i * TUPLE_BYTES, bytes);
	method->hash_tuples(data, bytes); /* pages and caches */
	const double started = processor_seconds();
	for (uint32_t pass = 0; pass < passes; pass++)
		method->hash_tuples(data, bytes);
	printf("{\"seconds\": %.9f, \"checksum\": %" PRIu64 "}\n", processor_seconds() - started, checksum(header.tuples));
	free(data);
}

int main(int argc, char **argv)
{
	char *options[] = {argv[0], "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=1",
			   "-m", "64", "-l", argc > 2 ? argv[2] : "0", NULL};
	if (argc < 2)
		fail("usage: pipeline WORKLOAD [CORE]");
	if (rte_eal_init((int)RTE_DIM(options) - 1, options) < 0)
		fail("rte_eal_init failed");
	prepare(read_workload(argv[1]));

	char line[128], name[32];
	uint32_t bytes, passes;
	while (fgets(line, sizeof line, stdin)) {
		const struct method *method;
		if (!strcmp(line, "methods\n"))
			printf("[\"softrss\", \"byte_tables\"%s]\n", has_gfni() ? ", \"gfni\"" : "");
		else if (sscanf(line, "pipeline %31s %" SCNu32, name, &passes) == 2 && (method = find_method(name)))
			answer_pipeline(method, passes);
		else if (sscanf(line, "toeplitz %31s %" SCNu32 " %" SCNu32, name, &bytes, &passes) == 3 &&
			 (method = find_method(name)) && (bytes == 8 || bytes == 12 || bytes == 32 || bytes == 36))
			answer_toeplitz(method, bytes, passes);
		else
			fail("unknown command");
		fflush(stdout);
	}
	return 0;
}

"""What attack.py makes before the attacks: the names and sizes that they aim at."""
BIG_TOPIC, BIG_PARTITIONS = "big", 16
MANY_TOPICS = 2000  # of one partition
WIDE_TOPIC, WIDE_PARTITIONS = "wide", 200
RECODED_TOPIC, RECODED_PARTITIONS = "recoded", 4  # the broker compresses what it is sent anew


ELEMENTS = 262000  # of one request, just below what levee.request.elements.max allows


def many_name(number):
    return "many-%04d" % number

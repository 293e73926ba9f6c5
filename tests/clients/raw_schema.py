"""The requests and responses that raw.py can speak, in one line of words per message.

    KEY NAME VERSIONS flexible FIRST
      > fields of the request
      < fields of the response

A field is Name:type, Name[]:type, Name{...} or Name[]{...}; then =default (null allowed), @versions
that have it (all if left out), #tag if it is a tagged field.  Nullability is not written down, but
for structs (=null): a test may send a null where none belongs.
"""

SCHEMA = """
0 Produce 3-13 flexible 9
  > TransactionalId:string=null@3+ Acks:i16 TimeoutMs:i32 TopicData[]{Name:string@0-12
    TopicId:uuid@13+ PartitionData[]{Index:i32 Records:bytes}}
  < Responses[]{Name:string@0-12 TopicId:uuid@13+ PartitionResponses[]{Index:i32 ErrorCode:i16
    BaseOffset:i64 LogAppendTimeMs:i64=-1@2+ LogStartOffset:i64=-1@5+
    RecordErrors[]{BatchIndex:i32@8+ BatchIndexErrorMessage:string=null@8+}@8+
    ErrorMessage:string=null@8+ CurrentLeader{LeaderId:i32=-1@10+
    LeaderEpoch:i32=-1@10+}@10+#0}} ThrottleTimeMs:i32@1+ NodeEndpoints[]{NodeId:i32@10+
    Host:string@10+ Port:i32@10+ Rack:string=null@10+}@10+#0
1 Fetch 4-18 flexible 12
  > ClusterId:string=null@12+#0 ReplicaId:i32=-1@0-14 ReplicaState{ReplicaId:i32=-1@15+
    ReplicaEpoch:i64=-1@15+}@15+#1 MaxWaitMs:i32 MinBytes:i32 MaxBytes:i32=2147483647@3+
    IsolationLevel:i8@4+ SessionId:i32@7+ SessionEpoch:i32=-1@7+ Topics[]{Topic:string@0-12
    TopicId:uuid@13+ Partitions[]{Partition:i32 CurrentLeaderEpoch:i32=-1@9+ FetchOffset:i64
    LastFetchedEpoch:i32=-1@12+ LogStartOffset:i64=-1@5+ PartitionMaxBytes:i32
    ReplicaDirectoryId:uuid@17+#0 HighWatermark:i64=9223372036854775807@18+#1}}
    ForgottenTopicsData[]{Topic:string@7-12 TopicId:uuid@13+ Partitions[]:i32@7+}@7+
    RackId:string@11+
  < ThrottleTimeMs:i32@1+ ErrorCode:i16@7+ SessionId:i32@7+ Responses[]{Topic:string@0-12
    TopicId:uuid@13+ Partitions[]{PartitionIndex:i32 ErrorCode:i16 HighWatermark:i64
    LastStableOffset:i64=-1@4+ LogStartOffset:i64=-1@5+ DivergingEpoch{Epoch:i32=-1@12+
    EndOffset:i64=-1@12+}@12+#0 CurrentLeader{LeaderId:i32=-1@12+ LeaderEpoch:i32=-1@12+}@12+#1
    SnapshotId{EndOffset:i64=-1 Epoch:i32=-1}@12+#2 AbortedTransactions[]{ProducerId:i64@4+
    FirstOffset:i64@4+}@4+ PreferredReadReplica:i32=-1@11+ Records:bytes}}
    NodeEndpoints[]{NodeId:i32@16+ Host:string@16+ Port:i32@16+ Rack:string=null@16+}@16+#0
2 ListOffsets 1-11 flexible 6
  > ReplicaId:i32 IsolationLevel:i8@2+ Topics[]{Name:string Partitions[]{PartitionIndex:i32
    CurrentLeaderEpoch:i32=-1@4+ Timestamp:i64}} TimeoutMs:i32@10+
  < ThrottleTimeMs:i32@2+ Topics[]{Name:string Partitions[]{PartitionIndex:i32 ErrorCode:i16
    Timestamp:i64=-1@1+ Offset:i64=-1@1+ LeaderEpoch:i32=-1@4+}}
3 Metadata 0-13 flexible 9
  > Topics[]{TopicId:uuid@10+ Name:string} AllowAutoTopicCreation:bool=true@4+
    IncludeClusterAuthorizedOperations:bool@8-10 IncludeTopicAuthorizedOperations:bool@8+
  < ThrottleTimeMs:i32@3+ Brokers[]{NodeId:i32 Host:string Port:i32 Rack:string=null@1+}
    ClusterId:string=null@2+ ControllerId:i32=-1@1+ Topics[]{ErrorCode:i16 Name:string
    TopicId:uuid@10+ IsInternal:bool@1+ Partitions[]{ErrorCode:i16 PartitionIndex:i32
    LeaderId:i32 LeaderEpoch:i32=-1@7+ ReplicaNodes[]:i32 IsrNodes[]:i32
    OfflineReplicas[]:i32@5+} TopicAuthorizedOperations:i32=-2147483648@8+}
    ClusterAuthorizedOperations:i32=-2147483648@8-10 ErrorCode:i16@13+
8 OffsetCommit 2-10 flexible 8
  > GroupId:string GenerationIdOrMemberEpoch:i32=-1@1+ MemberId:string@1+
    GroupInstanceId:string=null@7+ RetentionTimeMs:i64=-1@2-4 Topics[]{Name:string@0-9
    TopicId:uuid@10+ Partitions[]{PartitionIndex:i32 CommittedOffset:i64
    CommittedLeaderEpoch:i32=-1@6+ CommittedMetadata:string}}
  < ThrottleTimeMs:i32@3+ Topics[]{Name:string@0-9 TopicId:uuid@10+
    Partitions[]{PartitionIndex:i32 ErrorCode:i16}}
9 OffsetFetch 1-10 flexible 6
  > GroupId:string@0-7 Topics[]{Name:string@0-7 PartitionIndexes[]:i32@0-7}@0-7
    Groups[]{GroupId:string@8+ MemberId:string=null@9+ MemberEpoch:i32=-1@9+
    Topics[]{Name:string@8-9 TopicId:uuid@10+ PartitionIndexes[]:i32@8+}@8+}@8+
    RequireStable:bool@7+
  < ThrottleTimeMs:i32@3+ Topics[]{Name:string@0-7 Partitions[]{PartitionIndex:i32@0-7
    CommittedOffset:i64@0-7 CommittedLeaderEpoch:i32=-1@5-7 Metadata:string@0-7
    ErrorCode:i16@0-7}@0-7}@0-7 ErrorCode:i16@2-7 Groups[]{GroupId:string@8+
    Topics[]{Name:string@8-9 TopicId:uuid@10+ Partitions[]{PartitionIndex:i32@8+
    CommittedOffset:i64@8+ CommittedLeaderEpoch:i32=-1@8+ Metadata:string@8+
    ErrorCode:i16@8+}@8+}@8+ ErrorCode:i16@8+}@8+
10 FindCoordinator 0-6 flexible 3
  > Key:string@0-3 KeyType:i8@1+ CoordinatorKeys[]:string@4+
  < ThrottleTimeMs:i32@1+ ErrorCode:i16@0-3 ErrorMessage:string@1-3 NodeId:i32@0-3
    Host:string@0-3 Port:i32@0-3 Coordinators[]{Key:string@4+ NodeId:i32@4+ Host:string@4+
    Port:i32@4+ ErrorCode:i16@4+ ErrorMessage:string@4+}@4+
11 JoinGroup 0-9 flexible 6
  > GroupId:string SessionTimeoutMs:i32 RebalanceTimeoutMs:i32=-1@1+ MemberId:string
    GroupInstanceId:string=null@5+ ProtocolType:string Protocols[]{Name:string Metadata:bytes}
    Reason:string=null@8+
  < ThrottleTimeMs:i32@2+ ErrorCode:i16 GenerationId:i32=-1 ProtocolType:string=null@7+
    ProtocolName:string Leader:string SkipAssignment:bool@9+ MemberId:string
    Members[]{MemberId:string GroupInstanceId:string=null@5+ Metadata:bytes}
12 Heartbeat 0-4 flexible 4
  > GroupId:string GenerationId:i32 MemberId:string GroupInstanceId:string=null@3+
  < ThrottleTimeMs:i32@1+ ErrorCode:i16
13 LeaveGroup 0-5 flexible 4
  > GroupId:string MemberId:string@0-2 Members[]{MemberId:string@3+
    GroupInstanceId:string=null@3+ Reason:string=null@5+}@3+
  < ThrottleTimeMs:i32@1+ ErrorCode:i16 Members[]{MemberId:string@3+ GroupInstanceId:string@3+
    ErrorCode:i16@3+}@3+
14 SyncGroup 0-5 flexible 4
  > GroupId:string GenerationId:i32 MemberId:string GroupInstanceId:string=null@3+
    ProtocolType:string=null@5+ ProtocolName:string=null@5+ Assignments[]{MemberId:string
    Assignment:bytes}
  < ThrottleTimeMs:i32@1+ ErrorCode:i16 ProtocolType:string=null@5+ ProtocolName:string=null@5+
    Assignment:bytes
15 DescribeGroups 0-6 flexible 5
  > Groups[]:string IncludeAuthorizedOperations:bool@3+
  < ThrottleTimeMs:i32@1+ Groups[]{ErrorCode:i16 ErrorMessage:string=null@6+ GroupId:string
    GroupState:string ProtocolType:string ProtocolData:string Members[]{MemberId:string
    GroupInstanceId:string=null@4+ ClientId:string ClientHost:string MemberMetadata:bytes
    MemberAssignment:bytes} AuthorizedOperations:i32=-2147483648@3+}
16 ListGroups 0-5 flexible 3
  > StatesFilter[]:string@4+ TypesFilter[]:string@5+
  < ThrottleTimeMs:i32@1+ ErrorCode:i16 Groups[]{GroupId:string ProtocolType:string
    GroupState:string@4+ GroupType:string@5+}
18 ApiVersions 0-4 flexible 3
  > ClientSoftwareName:string@3+ ClientSoftwareVersion:string@3+
  < ErrorCode:i16 ApiKeys[]{ApiKey:i16 MinVersion:i16 MaxVersion:i16} ThrottleTimeMs:i32@1+
    SupportedFeatures[]{Name:string@3+ MinVersion:i16@3+ MaxVersion:i16@3+}@3+#0
    FinalizedFeaturesEpoch:i64=-1@3+#1 FinalizedFeatures[]{Name:string@3+ MaxVersionLevel:i16@3+
    MinVersionLevel:i16@3+}@3+#2 ZkMigrationReady:bool@3+#3
19 CreateTopics 2-7 flexible 5
  > Topics[]{Name:string NumPartitions:i32 ReplicationFactor:i16
    Assignments[]{PartitionIndex:i32 BrokerIds[]:i32} Configs[]{Name:string Value:string}}
    TimeoutMs:i32=60000 ValidateOnly:bool@1+
  < ThrottleTimeMs:i32@2+ Topics[]{Name:string TopicId:uuid@7+ ErrorCode:i16
    ErrorMessage:string@1+ TopicConfigErrorCode:i16@5+#0 NumPartitions:i32=-1@5+
    ReplicationFactor:i16=-1@5+ Configs[]{Name:string@5+ Value:string@5+ ReadOnly:bool@5+
    ConfigSource:i8=-1@5+ IsSensitive:bool@5+}@5+}
20 DeleteTopics 1-6 flexible 4
  > Topics[]{Name:string=null@6+ TopicId:uuid@6+}@6+ TopicNames[]:string@0-5 TimeoutMs:i32
  < ThrottleTimeMs:i32@1+ Responses[]{Name:string TopicId:uuid@6+ ErrorCode:i16
    ErrorMessage:string=null@5+}
21 DeleteRecords 0-2 flexible 2
  > Topics[]{Name:string Partitions[]{PartitionIndex:i32 Offset:i64}} TimeoutMs:i32
  < ThrottleTimeMs:i32 Topics[]{Name:string Partitions[]{PartitionIndex:i32 LowWatermark:i64
    ErrorCode:i16}}
22 InitProducerId 0-5 flexible 2
  > TransactionalId:string TransactionTimeoutMs:i32 ProducerId:i64=-1@3+ ProducerEpoch:i16=-1@3+
    Enable2Pc:bool@6+ KeepPreparedTxn:bool@6+
  < ThrottleTimeMs:i32 ErrorCode:i16 ProducerId:i64=-1 ProducerEpoch:i16
    OngoingTxnProducerId:i64=-1@6+ OngoingTxnProducerEpoch:i16=-1@6+
23 OffsetForLeaderEpoch 2-4 flexible 4
  > ReplicaId:i32=-2@3+ Topics[]{Topic:string Partitions[]{Partition:i32
    CurrentLeaderEpoch:i32=-1@2+ LeaderEpoch:i32}}
  < ThrottleTimeMs:i32@2+ Topics[]{Topic:string Partitions[]{ErrorCode:i16 Partition:i32
    LeaderEpoch:i32=-1@1+ EndOffset:i64=-1}}
24 AddPartitionsToTxn 0-5 flexible 3
  > Transactions[]{TransactionalId:string ProducerId:i64 ProducerEpoch:i16 VerifyOnly:bool
    Topics[]{Name:string Partitions[]:i32}}@4+ V3AndBelowTransactionalId:string@0-3
    V3AndBelowProducerId:i64@0-3 V3AndBelowProducerEpoch:i16@0-3
    V3AndBelowTopics[]{Name:string Partitions[]:i32}@0-3
  < ThrottleTimeMs:i32 ErrorCode:i16@4+ ResultsByTransaction[]{TransactionalId:string
    TopicResults[]{Name:string ResultsByPartition[]{PartitionIndex:i32
    PartitionErrorCode:i16}}}@4+ ResultsByTopicV3AndBelow[]{Name:string
    ResultsByPartition[]{PartitionIndex:i32 PartitionErrorCode:i16}}@0-3
25 AddOffsetsToTxn 0-4 flexible 3
  > TransactionalId:string ProducerId:i64 ProducerEpoch:i16 GroupId:string
  < ThrottleTimeMs:i32 ErrorCode:i16
26 EndTxn 0-5 flexible 3
  > TransactionalId:string ProducerId:i64 ProducerEpoch:i16 Committed:bool
  < ThrottleTimeMs:i32 ErrorCode:i16 ProducerId:i64=-1@5+ ProducerEpoch:i16=-1@5+
27 WriteTxnMarkers 1-2 flexible 1
  > Markers[]{ProducerId:i64 ProducerEpoch:i16 TransactionResult:bool
    Topics[]{Name:string PartitionIndexes[]:i32} CoordinatorEpoch:i32 TransactionVersion:i8@2+}
  < Markers[]{ProducerId:i64 Topics[]{Name:string Partitions[]{PartitionIndex:i32 ErrorCode:i16}}}
28 TxnOffsetCommit 0-5 flexible 3
  > TransactionalId:string GroupId:string ProducerId:i64 ProducerEpoch:i16
    GenerationIdOrMemberEpoch:i32=-1@3+ MemberId:string@3+ GroupInstanceId:string=null@3+
    Topics[]{Name:string Partitions[]{PartitionIndex:i32 CommittedOffset:i64
    CommittedLeaderEpoch:i32=-1@2+ CommittedMetadata:string=null}}
  < ThrottleTimeMs:i32 Topics[]{Name:string Partitions[]{PartitionIndex:i32 ErrorCode:i16}}
29 DescribeAcls 1-3 flexible 2
  > ResourceTypeFilter:i8 ResourceNameFilter:string PatternTypeFilter:i8=3@1+
    PrincipalFilter:string HostFilter:string Operation:i8 PermissionType:i8
  < ThrottleTimeMs:i32 ErrorCode:i16 ErrorMessage:string Resources[]{ResourceType:i8
    ResourceName:string PatternType:i8=3@1+ Acls[]{Principal:string Host:string Operation:i8
    PermissionType:i8}}
30 CreateAcls 1-3 flexible 2
  > Creations[]{ResourceType:i8 ResourceName:string ResourcePatternType:i8=3@1+ Principal:string
    Host:string Operation:i8 PermissionType:i8}
  < ThrottleTimeMs:i32 Results[]{ErrorCode:i16 ErrorMessage:string}
31 DeleteAcls 1-3 flexible 2
  > Filters[]{ResourceTypeFilter:i8 ResourceNameFilter:string PatternTypeFilter:i8=3@1+
    PrincipalFilter:string HostFilter:string Operation:i8 PermissionType:i8}
  < ThrottleTimeMs:i32 FilterResults[]{ErrorCode:i16 ErrorMessage:string
    MatchingAcls[]{ErrorCode:i16 ErrorMessage:string ResourceType:i8 ResourceName:string
    PatternType:i8=3@1+ Principal:string Host:string Operation:i8 PermissionType:i8}}
32 DescribeConfigs 1-4 flexible 4
  > Resources[]{ResourceType:i8 ResourceName:string ConfigurationKeys[]:string}
    IncludeSynonyms:bool@1+ IncludeDocumentation:bool@3+
  < ThrottleTimeMs:i32 Results[]{ErrorCode:i16 ErrorMessage:string ResourceType:i8
    ResourceName:string Configs[]{Name:string Value:string ReadOnly:bool ConfigSource:i8=-1@1+
    IsSensitive:bool Synonyms[]{Name:string@1+ Value:string@1+ Source:i8@1+}@1+ ConfigType:i8@3+
    Documentation:string@3+}}
35 DescribeLogDirs 1-5 flexible 2
  > Topics[]{Topic:string Partitions[]:i32}
  < ThrottleTimeMs:i32 ErrorCode:i16@3+ Results[]{ErrorCode:i16 LogDir:string
    Topics[]{Name:string Partitions[]{PartitionIndex:i32 PartitionSize:i64 OffsetLag:i64
    IsFutureKey:bool}} TotalBytes:i64=-1@4+ UsableBytes:i64=-1@4+ IsCordoned:bool@5+}
37 CreatePartitions 0-3 flexible 2
  > Topics[]{Name:string Count:i32 Assignments[]{BrokerIds[]:i32}} TimeoutMs:i32
    ValidateOnly:bool
  < ThrottleTimeMs:i32 Results[]{Name:string ErrorCode:i16 ErrorMessage:string=null}
42 DeleteGroups 0-3 flexible 2
  > GroupsNames[]:string
  < ThrottleTimeMs:i32 Results[]{GroupId:string ErrorCode:i16 ErrorMessage:string=null@3+}
43 ElectLeaders 0-2 flexible 2
  > ElectionType:i8@1+ TopicPartitions[]{Topic:string Partitions[]:i32} TimeoutMs:i32=60000
  < ThrottleTimeMs:i32 ErrorCode:i16@1+ ReplicaElectionResults[]{Topic:string
    PartitionResult[]{PartitionId:i32 ErrorCode:i16 ErrorMessage:string}}
44 IncrementalAlterConfigs 0-1 flexible 1
  > Resources[]{ResourceType:i8 ResourceName:string Configs[]{Name:string ConfigOperation:i8
    Value:string}} ValidateOnly:bool
  < ThrottleTimeMs:i32 Responses[]{ErrorCode:i16 ErrorMessage:string ResourceType:i8
    ResourceName:string}
45 AlterPartitionReassignments 0-1 flexible 0
  > TimeoutMs:i32=60000 AllowReplicationFactorChange:bool=true@1+ Topics[]{Name:string
    Partitions[]{PartitionIndex:i32 Replicas[]:i32=null}}
  < ThrottleTimeMs:i32 AllowReplicationFactorChange:bool=true@1+ ErrorCode:i16
    ErrorMessage:string Responses[]{Name:string Partitions[]{PartitionIndex:i32 ErrorCode:i16
    ErrorMessage:string}}
46 ListPartitionReassignments 0-0 flexible 0
  > TimeoutMs:i32=60000 Topics[]{Name:string PartitionIndexes[]:i32}=null
  < ThrottleTimeMs:i32 ErrorCode:i16 ErrorMessage:string Topics[]{Name:string
    Partitions[]{PartitionIndex:i32 Replicas[]:i32 AddingReplicas[]:i32 RemovingReplicas[]:i32}}
48 DescribeClientQuotas 0-1 flexible 1
  > Components[]{EntityType:string MatchType:i8 Match:string} Strict:bool
  < ThrottleTimeMs:i32 ErrorCode:i16 ErrorMessage:string Entries[]{Entity[]{EntityType:string
    EntityName:string} Values[]{Key:string Value:f64}}
50 DescribeUserScramCredentials 0-0 flexible 0
  > Users[]{Name:string}
  < ThrottleTimeMs:i32 ErrorCode:i16 ErrorMessage:string Results[]{User:string ErrorCode:i16
    ErrorMessage:string CredentialInfos[]{Mechanism:i8 Iterations:i32}}
55 DescribeQuorum 0-2 flexible 0
  > Topics[]{TopicName:string Partitions[]{PartitionIndex:i32}}
  < ErrorCode:i16 ErrorMessage:string@2+ Topics[]{TopicName:string
    Partitions[]{PartitionIndex:i32 ErrorCode:i16 ErrorMessage:string@2+ LeaderId:i32
    LeaderEpoch:i32 HighWatermark:i64 CurrentVoters[]{ReplicaId:i32 ReplicaDirectoryId:uuid@2+
    LogEndOffset:i64 LastFetchTimestamp:i64=-1@1+ LastCaughtUpTimestamp:i64=-1@1+}
    Observers[]{ReplicaId:i32 ReplicaDirectoryId:uuid@2+ LogEndOffset:i64
    LastFetchTimestamp:i64=-1@1+ LastCaughtUpTimestamp:i64=-1@1+}}} Nodes[]{NodeId:i32@2+
    Listeners[]{Name:string@2+ Host:string@2+ Port:u16@2+}@2+}@2+
57 UpdateFeatures 0-2 flexible 0
  > TimeoutMs:i32=60000 FeatureUpdates[]{Feature:string MaxVersionLevel:i16
    AllowDowngrade:bool@0 UpgradeType:i8=1@1+} ValidateOnly:bool@1+
  < ThrottleTimeMs:i32 ErrorCode:i16 ErrorMessage:string Results[]{Feature:string ErrorCode:i16
    ErrorMessage:string}@0-1
60 DescribeCluster 0-2 flexible 0
  > IncludeClusterAuthorizedOperations:bool EndpointType:i8=1@1+ IncludeFencedBrokers:bool@2+
  < ThrottleTimeMs:i32 ErrorCode:i16 ErrorMessage:string=null EndpointType:i8=1@1+
    ClusterId:string ControllerId:i32=-1 Brokers[]{BrokerId:i32 Host:string Port:i32
    Rack:string=null IsFenced:bool@2+} ClusterAuthorizedOperations:i32=-2147483648
61 DescribeProducers 0-0 flexible 0
  > Topics[]{Name:string PartitionIndexes[]:i32}
  < ThrottleTimeMs:i32 Topics[]{Name:string Partitions[]{PartitionIndex:i32 ErrorCode:i16
    ErrorMessage:string=null ActiveProducers[]{ProducerId:i64 ProducerEpoch:i32
    LastSequence:i32=-1 LastTimestamp:i64=-1 CoordinatorEpoch:i32
    CurrentTxnStartOffset:i64=-1}}}
64 UnregisterBroker 0-0 flexible 0
  > BrokerId:i32
  < ThrottleTimeMs:i32 ErrorCode:i16 ErrorMessage:string
65 DescribeTransactions 0-0 flexible 0
  > TransactionalIds[]:string
  < ThrottleTimeMs:i32 TransactionStates[]{ErrorCode:i16 TransactionalId:string
    TransactionState:string TransactionTimeoutMs:i32 TransactionStartTimeMs:i64 ProducerId:i64
    ProducerEpoch:i16 Topics[]{Topic:string Partitions[]:i32}}
66 ListTransactions 0-2 flexible 0
  > StateFilters[]:string ProducerIdFilters[]:i64 DurationFilter:i64=-1@1+
    TransactionalIdPattern:string=null@2+
  < ThrottleTimeMs:i32 ErrorCode:i16 UnknownStateFilters[]:string
    TransactionStates[]{TransactionalId:string ProducerId:i64 TransactionState:string}
74 ListConfigResources 0-1 flexible 0
  > ResourceTypes[]:i8@1+
  < ThrottleTimeMs:i32 ErrorCode:i16 ConfigResources[]{ResourceName:string
    ResourceType:i8=16@1+}
75 DescribeTopicPartitions 0-0 flexible 0
  > Topics[]{Name:string} ResponsePartitionLimit:i32=2000 Cursor{TopicName:string
    PartitionIndex:i32}=null
  < ThrottleTimeMs:i32 Topics[]{ErrorCode:i16 Name:string TopicId:uuid IsInternal:bool
    Partitions[]{ErrorCode:i16 PartitionIndex:i32 LeaderId:i32 LeaderEpoch:i32=-1
    ReplicaNodes[]:i32 IsrNodes[]:i32 EligibleLeaderReplicas[]:i32=null LastKnownElr[]:i32=null
    OfflineReplicas[]:i32} TopicAuthorizedOperations:i32=-2147483648}
    NextCursor{TopicName:string PartitionIndex:i32}=null
"""

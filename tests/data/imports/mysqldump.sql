-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- Host: localhost    Database: shop
/*!40101 SET NAMES utf8mb4 */;

DROP TABLE IF EXISTS `wp_usermeta`;
CREATE TABLE `wp_usermeta` (
  `umeta_id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `user_id` bigint unsigned NOT NULL DEFAULT '0',
  `meta_key` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`umeta_id`)
) ENGINE=InnoDB;
INSERT INTO `wp_usermeta` VALUES (1,51,'nickname'),(2,52,'it\'s; a \"key\"');
CREATE TABLE `wp_users` (
  `ID` bigint unsigned NOT NULL AUTO_INCREMENT,
  `user_login` varchar(60) NOT NULL DEFAULT '',
  `user_pass` varchar(255) NOT NULL DEFAULT '',
  `user_nicename` varchar(50) NOT NULL DEFAULT '',
  `user_email` varchar(100) NOT NULL DEFAULT '',
  `user_registered` datetime NOT NULL DEFAULT '0000-00-00 00:00:00',
  `display_name` varchar(250) NOT NULL DEFAULT '',
  PRIMARY KEY (`ID`),
  KEY `user_login_key` (`user_login`)
) ENGINE=InnoDB;
LOCK TABLES `wp_users` WRITE;
/*!40000 ALTER TABLE `wp_users` DISABLE KEYS */;
INSERT INTO `wp_users` VALUES (51,'CORP\\mara','$P$5saltsaltEZzUitYB/vJOsVO473Nb..','mara','mara@example.org','2021-03-04 05:06:07','Mara O\'Ellingsen'),(52,'jorn','','x\0\Z','jorn@example.org','0000-00-00 00:00:00','Jörn Søe'),
(53,_binary 'vesna',0x78,'','vesna@example.org','2021-03-04 05:06:07','Колар, Весна');
/*!40000 ALTER TABLE `wp_users` ENABLE KEYS */;
UNLOCK TABLES;
-- Dump completed on 2024-01-01  0:00:00
